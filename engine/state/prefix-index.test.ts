import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type JobId, mintJobId } from "../lib/ids.ts";
import { PrefixIndex } from "./prefix-index.ts";

describe("PrefixIndex", () => {
  test("finds by a prefix of any length what a scan finds", () => {
    let seed = 7;
    const below = (n: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * n);
    };
    const ids = Array.from({ length: 3_000 }, () => mintJobId(below));
    expect(new Set(ids).size).toBe(ids.length);
    const index = new PrefixIndex((place) => ids[place] as JobId);
    ids.forEach((id, place) => {
      index.add(id, place);
    });

    fc.assert(
      fc.property(fc.nat({ max: ids.length - 1 }), fc.nat({ max: 12 }), (which, length) => {
        const prefix = (ids[which] ?? "").slice(0, length);
        const scanned = ids.filter((id) => id.startsWith(prefix));

        expect([...index.findByPrefix(prefix, 5_000)].sort()).toEqual(scanned.sort());
        expect(index.findByPrefix(prefix, 1)).toHaveLength(1);
      }),
    );
    expect(index.findByPrefix("", 5_000)).toHaveLength(ids.length);
  });

  test("a prefix of characters that no id has finds nothing", () => {
    const id = mintJobId(() => 0);
    const index = new PrefixIndex(() => id);
    index.add(id, 0);

    expect(index.findByPrefix("~~~", 10)).toEqual([]);
    expect(index.findByPrefix("UUUU", 10)).toEqual([]);
  });
});
