import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { PeerId } from "../lib/ids.ts";
import { conf, peer } from "./cluster-fixture.ts";
import { agreedValue, voteResult } from "./quorum.ts";
import type { ConfState } from "./types.ts";

const range = (size: number): readonly number[] => Array.from({ length: size }, (_, i) => i + 1);

const joint = (voters: readonly number[], outgoing: readonly number[]): ConfState => ({
  ...conf(voters),
  votersOutgoing: outgoing.map(peer),
});

/** What more than half of `voters` have reached, found by trying every value. */
function naive(voters: readonly PeerId[], values: ReadonlyMap<PeerId, number>): number {
  const reached = (id: PeerId): number => values.get(id) ?? 0;
  const candidates = [0, ...voters.map(reached)];
  const agreed = candidates.filter(
    (value) => voters.filter((id) => reached(id) >= value).length * 2 > voters.length,
  );
  return Math.max(0, ...agreed);
}

describe("quorum", () => {
  test("more than half must agree, in clusters of one to nine (P48)", () => {
    const needed = range(9).map((size) => {
      const voters = conf(range(size));
      return range(size).find((count) => agreedValue(voters, (id) => (id <= count ? 5 : 0)) === 5);
    });

    expect(needed).toEqual([1, 2, 2, 3, 3, 4, 4, 5, 5]);
  });

  test("a vote is won by the same majority, and lost once it cannot be won", () => {
    const votes = (granted: number, refused: number) =>
      new Map(range(granted + refused).map((id) => [peer(id), id <= granted]));

    expect(voteResult(conf(range(4)), votes(2, 1))).toBe("pending");
    expect(voteResult(conf(range(4)), votes(2, 2))).toBe("lost");
    expect(voteResult(conf(range(4)), votes(3, 0))).toBe("won");
    expect(voteResult(conf(range(2)), votes(1, 1))).toBe("lost");
    expect(voteResult(conf([]), votes(0, 0))).toBe("lost");
  });

  test("while joint, both halves must agree (thesis §4.3)", () => {
    const state = joint([1, 2, 3], [3, 4, 5]);
    const votes = new Map([1, 2, 3].map((id) => [peer(id), true]));

    expect(agreedValue(state, (id) => (id <= 3 ? 7 : 0))).toBe(0);
    expect(agreedValue(state, (id) => (id <= 4 ? 7 : 0))).toBe(7);
    expect(voteResult(state, votes)).toBe("pending");
    expect(voteResult(state, new Map([...votes, [peer(4), true]]))).toBe("won");
    expect(voteResult(state, new Map([...votes, [peer(4), false], [peer(5), false]]))).toBe("lost");
  });

  test("agrees with the plain definition on any configuration (P47)", () => {
    const ids = fc.uniqueArray(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 9 });
    const values = fc.array(fc.nat(20), { minLength: 12, maxLength: 12 });

    fc.assert(
      fc.property(ids, ids, values, (voters, outgoing, reached) => {
        const known = new Map(reached.map((value, place) => [peer(place + 1), value]));
        const state = joint(voters, outgoing);
        const expected = Math.min(naive(state.voters, known), naive(state.votersOutgoing, known));
        expect(agreedValue(state, (id) => known.get(id) ?? 0)).toBe(expected);
      }),
    );
  });
});
