import { PropertyViolated } from "./checker.ts";
import type { Fault } from "./fault.ts";
import { createWorld } from "./layers.ts";
import { type Limits, NO_LIMITS } from "./run.ts";

/** A run that failed, and what the nemesis had done until then. */
export type Failure = {
  readonly property: string;
  readonly problem: string;
  readonly atMillis: number;
  readonly strikes: readonly { readonly n: number; readonly fault: Fault }[];
};

type Shrunk = { readonly limits: Limits; readonly failure: Failure; readonly runs: number };

const RUNS_MAX = 80;

/** How a seed fails; null = it does not. */
export function failureOf(layer: string, seed: number, limits: Limits = NO_LIMITS): Failure | null {
  const world = createWorld(layer, seed, { limits });
  try {
    world.run();
    return null;
  } catch (error) {
    const property = error instanceof PropertyViolated ? error.property : "crash";
    const problem = error instanceof Error ? error.message : String(error);
    return { property, problem, atMillis: world.now, strikes: world.observer.strikes };
  }
}

/**
 * The smallest part of a failing run that still violates the same property, found greedily: calm
 * comes right after the failing event, then kinds of faults go, then single faults.
 */
export function shrink(failure: Failure, run: (limits: Limits) => Failure | null): Shrunk {
  let best: Shrunk = { limits: NO_LIMITS, failure, runs: 0 };
  const attempt = (limits: Limits): void => {
    if (best.runs >= RUNS_MAX) return;
    const found = run(limits);
    const runs = best.runs + 1;
    const isSame = found !== null && found.property === failure.property;
    best = isSame ? { limits, failure: found, runs } : { ...best, runs };
  };
  attempt({ ...best.limits, untilMillis: Math.ceil(failure.atMillis) });
  for (const fault of new Set(best.failure.strikes.map(({ fault: each }) => each))) {
    attempt({ ...best.limits, without: [...best.limits.without, fault] });
  }
  for (const { n } of [...best.failure.strikes].reverse()) {
    attempt({ ...best.limits, skip: [...best.limits.skip, n] });
  }
  attempt({ ...best.limits, untilMillis: Math.ceil(best.failure.atMillis) });
  return best;
}

/** The command that runs it again. */
export function commandOf(layer: string, seed: number, limits: Limits): string {
  return [
    `bun run sim ${seed} --layer ${layer}`,
    ...(limits.without.length > 0 ? [`--without ${limits.without.join(",")}`] : []),
    ...(limits.skip.length > 0 ? [`--skip ${limits.skip.join(",")}`] : []),
    ...(limits.untilMillis === null ? [] : [`--until ${limits.untilMillis}`]),
  ].join(" ");
}
