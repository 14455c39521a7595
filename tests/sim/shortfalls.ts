import { median, type RunReport, total } from "./run.ts";

/** A batch this large has met enough chance for its totals to mean something. */
export const FULL_BATCH_SEEDS = 200;

const SEED_MILLIS_MIN = 10_000;
const MEDIANS_MIN = { elections: 3, crashes: 2, finished: 20 } as const;
const TOTALS_MIN = { lostNodes: 20, reruns: 20 } as const;

/** Where a batch of whole nodes was not bad enough to have shown anything; empty = it was. */
export function shortfalls(reports: readonly RunReport[]): readonly string[] {
  const shortest = Math.min(...reports.map(({ millis }) => millis));
  return [
    ...(shortest < SEED_MILLIS_MIN ? [`a seed lasted only ${shortest} ms of virtual time`] : []),
    ...keysOf(MEDIANS_MIN).flatMap((what) => {
      const seen = median(reports, what);
      const wanted = MEDIANS_MIN[what];
      return seen < wanted ? [`the median seed saw ${seen} ${what}, not ${wanted}`] : [];
    }),
    ...keysOf(TOTALS_MIN).flatMap((what) => {
      const seen = total(reports, what);
      const wanted = TOTALS_MIN[what];
      return seen < wanted ? [`the batch saw ${seen} ${what}, not ${wanted}`] : [];
    }),
  ];
}

const keysOf = <T extends object>(table: T): readonly (keyof T)[] =>
  Object.keys(table) as (keyof T)[];
