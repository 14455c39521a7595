import type { Coverage } from "./coverage.ts";
import type { Fault } from "./fault.ts";
import type { Observer } from "./observer.ts";

/** What one seed did, when nothing was found. */
export type RunReport = {
  readonly seed: number;
  /** Equal for equal runs: folds every event, message and time. */
  readonly hash: number;
  /** Virtual. */
  readonly millis: number;
  readonly coverage: Coverage;
};

/** What a run leaves out, so that what remains is all that a failure needs. */
export type Limits = {
  readonly without: readonly Fault[];
  /** Single strikes of the nemesis, by number. */
  readonly skip: readonly number[];
  /** When calm comes, at the latest. */
  readonly untilMillis: number | null;
};

export const NO_LIMITS: Limits = { without: [], skip: [], untilMillis: null };

export type Trace = ((line: string) => void) | null;

/** One world, to be run once. */
export interface World {
  readonly observer: Observer;
  /** Virtual milliseconds since its start. */
  readonly now: number;
  /** Throws what it finds. */
  run(): RunReport;
}

/** Makes a world from a seed: the core alone, or whole nodes. */
export type CreateWorld = (seed: number, trace: Trace, limits: Limits) => World;

export type Batch = {
  readonly reports: readonly RunReport[];
  readonly failures: readonly { readonly seed: number; readonly problem: string }[];
};

export function runBatch(create: (seed: number) => World, seeds: readonly number[]): Batch {
  const reports: RunReport[] = [];
  const failures: { seed: number; problem: string }[] = [];
  for (const seed of seeds) {
    try {
      reports.push(create(seed).run());
    } catch (error) {
      failures.push({ seed, problem: error instanceof Error ? error.message : String(error) });
    }
  }
  return { reports, failures };
}

export const seedsFrom = (from: number, count: number): readonly number[] =>
  Array.from({ length: count }, (_, i) => from + i);

/** The value in the middle: what a typical seed saw. */
export function median(reports: readonly RunReport[], what: keyof Coverage): number {
  const values = reports.map(({ coverage }) => coverage[what]).sort((a, b) => a - b);
  return values[values.length >> 1] ?? 0;
}

export const total = (reports: readonly RunReport[], what: keyof Coverage): number =>
  reports.reduce((sum, { coverage }) => sum + coverage[what], 0);
