import type { Coverage } from "./coverage.ts";

/** What one seed did, when nothing was found. */
export type RunReport = {
  readonly seed: number;
  /** Equal for equal runs: folds every event, message and time. */
  readonly hash: number;
  /** Virtual. */
  readonly millis: number;
  readonly coverage: Coverage;
};

export type Trace = ((line: string) => void) | null;

/** One world that can be run from a seed: the core alone, or whole nodes. */
export type Simulate = (seed: number, trace: Trace) => RunReport;

export type Batch = {
  readonly reports: readonly RunReport[];
  readonly failures: readonly { readonly seed: number; readonly problem: string }[];
};

export function runBatch(simulate: Simulate, seeds: readonly number[]): Batch {
  const reports: RunReport[] = [];
  const failures: { seed: number; problem: string }[] = [];
  for (const seed of seeds) {
    try {
      reports.push(simulate(seed, null));
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
