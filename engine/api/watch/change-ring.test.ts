import { describe, expect, test } from "bun:test";
import type { Index, NodeId, UnixMillis } from "../../lib/ids.ts";
import { type Change, ChangeRing } from "./change-ring.ts";
import { endOf, formatRevision, isAfter, parseRevision } from "./revision.ts";

const change = (index: number, ordinal = 0): Change => ({
  at: 1 as UnixMillis,
  fact: { kind: "node-changed", nodeId: "n1" as NodeId, index: index as Index, ordinal },
});

const filled = (capacity: number, ...indexes: readonly number[]): ChangeRing => {
  const ring = new ChangeRing(capacity, endOf(10));
  for (const index of indexes) ring.push(change(index));
  return ring;
};

const indexes = (changes: readonly Change[] | null) => changes?.map(({ fact }) => fact.index);

describe("the ring of changes", () => {
  test("gives what came after a revision, in order", () => {
    const ring = filled(10, 11, 12, 14);

    expect(indexes(ring.since({ index: 11, ordinal: 0 }))).toEqual([12, 14] as Index[]);
    expect(indexes(ring.since(endOf(10)))).toEqual([11, 12, 14] as Index[]);
    expect(ring.since({ index: 14, ordinal: 0 })).toEqual([]);
  });

  test("tells changes of one entry apart", () => {
    const ring = new ChangeRing(10, endOf(10));
    for (const ordinal of [0, 1, 2]) ring.push(change(11, ordinal));

    expect(ring.since({ index: 11, ordinal: 1 })).toHaveLength(1);
  });

  test("says so when it has forgotten what came after a revision", () => {
    const ring = filled(2, 11, 12, 13);

    expect(ring.since({ index: 11, ordinal: 0 })).toHaveLength(2);
    expect(ring.since(endOf(10))).toBeNull();
    expect(ring.since({ index: 5, ordinal: 0 })).toBeNull();
  });

  test("keeps its order when it has gone round many times", () => {
    const ring = filled(3, ...Array.from({ length: 100 }, (_, i) => 11 + i));

    expect(indexes(ring.since({ index: 108, ordinal: 0 }))).toEqual([109, 110] as Index[]);
    expect(formatRevision(ring.newest)).toBe("110.0");
  });

  test("knows nothing of the time before a snapshot replaced the state", () => {
    const ring = filled(10, 11, 12);

    ring.reset(endOf(50));

    expect(ring.since({ index: 12, ordinal: 0 })).toBeNull();
    expect(ring.since(endOf(50))).toEqual([]);
  });
});

describe("a revision", () => {
  test("survives the wire, and nothing else passes for one", () => {
    expect(parseRevision(formatRevision(endOf(57)))).toEqual(endOf(57));
    for (const text of ["", "7", "7.", "a.b", "-1.2", "1.2.3", "1e3.1"]) {
      expect(parseRevision(text)).toBeNull();
    }
  });

  test("of an entry's end is after each of its changes and before the next entry", () => {
    expect(isAfter(endOf(7), { index: 7, ordinal: 12 })).toBe(true);
    expect(isAfter({ index: 8, ordinal: 0 }, endOf(7))).toBe(true);
  });
});
