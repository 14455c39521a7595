import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { mintJobId } from "../lib/ids.ts";
import { SubmitOrder } from "./submit-order.ts";

describe("SubmitOrder", () => {
  test("finds by a prefix of any length what a scan finds", () => {
    let seed = 7;
    const below = (n: number): number => {
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((seed / 2 ** 32) * n);
    };
    const order = new SubmitOrder();
    const ids = Array.from({ length: 3_000 }, () => mintJobId(below));
    expect(new Set(ids).size).toBe(ids.length);
    ids.forEach((id, ordinal) => {
      expect(order.append(id)).toBe(ordinal);
    });

    fc.assert(
      fc.property(fc.nat({ max: ids.length - 1 }), fc.nat({ max: 12 }), (which, length) => {
        const prefix = (ids[which] ?? "").slice(0, length);
        const scanned = ids.filter((id) => id.startsWith(prefix));

        expect([...order.findByPrefix(prefix, 5_000)].sort()).toEqual(scanned.sort());
        expect(order.findByPrefix(prefix, 1)).toHaveLength(1);
      }),
    );
    expect([...order.newestFirst()]).toEqual(ids.toReversed());
    expect([...order.newestFirst(2)]).toEqual(ids.slice(0, 2).toReversed());
  });

  test("a prefix of characters that no id has finds nothing", () => {
    const order = new SubmitOrder();
    order.append(mintJobId(() => 0));

    expect(order.findByPrefix("~~~", 10)).toEqual([]);
    expect(order.findByPrefix("UUUU", 10)).toEqual([]);
  });
});
