import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { conf, peer } from "./cluster-fixture.ts";
import { applyConfChange, isJoint } from "./conf.ts";
import { decodeConfChange, encodeConfChange } from "./conf-codec.ts";
import type { ConfChange, ConfOp, ConfState } from "./types.ts";

function change(text: string, transition: ConfChange["transition"] = "auto"): ConfChange {
  const letters = { v: "voter", l: "learner", r: "remove" } as const;
  const changes = text.split(" ").flatMap((word): readonly ConfOp[] => {
    const op = letters[word.charAt(0) as keyof typeof letters];
    return op === undefined ? [] : [{ op, id: peer(Number(word.slice(1))) }];
  });
  return { changes, transition, context: new Uint8Array(0) };
}

const after = (state: ConfState, ...steps: readonly ConfChange[]): ConfState | null =>
  steps.reduce<ConfState | null>((now, each) => now && applyConfChange(now, each), state);

describe("configuration changes", () => {
  test("one operation changes at once", () => {
    expect(after(conf([1]), change("v2"))).toEqual(conf([1, 2]));
    expect(after(conf([1, 2]), change("r2"))).toEqual(conf([1]));
    expect(after(conf([1]), change("l3"))).toEqual(conf([1], [3]));
    expect(after(conf([1], [3]), change("v3"))).toEqual(conf([1, 3]));
  });

  test("several operations go through a joint configuration that ends by itself", () => {
    const state = after(conf([1, 2, 3]), change("r1 v4 l5"));

    expect(state).toEqual({
      voters: [2, 3, 4].map(peer),
      votersOutgoing: [1, 2, 3].map(peer),
      learners: [peer(5)],
      learnersNext: [],
      autoLeave: true,
    });
    expect(state && after(state, change(""))).toEqual(conf([2, 3, 4], [5]));
  });

  test("an explicit change stays joint until it is told to leave", () => {
    const state = after(conf([1]), change("v2", "explicit"));

    expect(state?.autoLeave).toBe(false);
    expect(state && isJoint(state)).toBe(true);
  });

  test("a demoted voter votes in the outgoing half until the joint phase ends", () => {
    const state = after(conf([1, 2, 3]), change("l2 v4"));

    expect(state?.learners).toEqual([]);
    expect(state?.learnersNext).toEqual([peer(2)]);
    expect(state && after(state, change(""))).toEqual(conf([1, 3, 4], [2]));
  });

  test("what cannot follow is refused", () => {
    expect(after(conf([1]), change("r1"))).toBeNull();
    expect(after(conf([1]), change(""))).toBeNull();
    expect(after(conf([1]), change("v2 v3"), change("v4"))).toBeNull();
  });

  test("survives its bytes", () => {
    const op = fc.record({
      op: fc.constantFrom("voter" as const, "learner" as const, "remove" as const),
      id: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(peer),
    });
    const changes = fc.record({
      changes: fc.array(op, { maxLength: 9 }),
      transition: fc.constantFrom("auto" as const, "implicit" as const, "explicit" as const),
      context: fc.uint8Array({ maxLength: 20 }),
    });

    fc.assert(
      fc.property(changes, (each) => {
        expect(decodeConfChange(encodeConfChange(each))).toEqual(each);
      }),
    );
  });

  test("bytes that are no configuration change are not taken for one", () => {
    expect(decodeConfChange(new Uint8Array([9, 0, 0, 0]))).toBeNull();
    expect(decodeConfChange(new Uint8Array([1, 0, 2, 0]))).toBeNull();
    expect(decodeConfChange(new Uint8Array([1, 7, 0, 0]))).toBeNull();
  });
});
