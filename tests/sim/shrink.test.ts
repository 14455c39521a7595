import { describe, expect, test } from "bun:test";
import type { Limits } from "./run.ts";
import { commandOf, type Failure, failureOf, shrink } from "./shrink.ts";

/** A world in which a kill (2) and a freeze (4) together break something at 700 ms. */
function run(limits: Limits): Failure | null {
  const all = [
    { n: 1, fault: "drain" },
    { n: 2, fault: "kill" },
    { n: 3, fault: "kill" },
    { n: 4, fault: "freeze" },
  ] as const;
  const strikes = all.filter(({ n, fault }) => {
    return !limits.without.includes(fault) && !limits.skip.includes(n);
  });
  const isBroken = strikes.some(({ n }) => n === 2) && strikes.some(({ n }) => n === 4);
  if (!isBroken || (limits.untilMillis ?? 9_000) < 700) return null;
  return { property: "order", problem: "broken", atMillis: 700, strikes };
}

describe("shrinking", () => {
  test("leaves the faults that a failure needs, and no more", () => {
    const whole = run({ without: [], skip: [], untilMillis: null });
    if (whole === null) throw new Error("the whole run fails");

    const { limits, failure } = shrink(whole, run);

    expect(failure.strikes.map(({ n }) => n)).toEqual([2, 4]);
    expect(limits).toEqual({ without: ["drain"], skip: [3], untilMillis: 700 });
    expect(commandOf("core", 5, limits)).toBe(
      "bun run sim 5 --layer core --without drain --skip 3 --until 700",
    );
  });

  test("does not take another failure for the same", () => {
    const whole = run({ without: [], skip: [], untilMillis: null });
    if (whole === null) throw new Error("the whole run fails");

    const { limits } = shrink(whole, (part) => ({ ...whole, ...run(part), property: "other" }));

    expect(limits).toEqual({ without: [], skip: [], untilMillis: null });
  });

  test("a run with less is a run all the same", () => {
    const limits = { without: ["kill", "power"], skip: [1, 2], untilMillis: 3_000 } as const;

    expect(failureOf("core", 3, limits)).toBeNull();
  });
});
