import type { Coverage } from "./coverage.ts";
import { median, type RunReport, total } from "./run.ts";

/** A batch this large has met enough chance for its totals to mean something. */
export const FULL_BATCH_SEEDS = 200;

type Minima = {
  /** What every seed lasts, in virtual time. */
  readonly seedMillis: number;
  readonly medians: Partial<Coverage>;
  /** Over two hundred seeds. */
  readonly totals: Partial<Coverage>;
};

/** About a third of what a batch usually sees. */
const MINIMA: Readonly<Record<string, Minima>> = {
  core: {
    seedMillis: 9_000,
    medians: { elections: 3, crashes: 3, acked: 30, reads: 5 },
    totals: {
      ...{ torn: 100, damaged: 30, repaired: 10, reopenedSessions: 10 },
      ...{ snapshots: 1_000, snapshotsSent: 100, snapshotsBroken: 10, restores: 100 },
      ...{ truncations: 500, crashesInRestore: 10, wiped: 15, refusedStores: 200 },
      ...{ confChanges: 200, joints: 80, explicitJoints: 30, promotions: 20 },
      ...{ removals: 80, removedLeaders: 30, refusedConfs: 150, readmissions: 4 },
      ...{ transfersWon: 15, transfersLost: 6, stallStepDowns: 5, quorumStepDowns: 20 },
      ...{
        diskFailures: 80,
        dropped: 100,
        refusedReads: 500,
        duplicateCommands: 500,
        disturbances: 15,
      },
    },
  },
  node: {
    seedMillis: 10_000,
    medians: { elections: 3, crashes: 2, finished: 20 },
    totals: {
      lostNodes: 20,
      reruns: 20,
      damaged: 10,
      cancelled: 100,
      drains: 10,
      snapshots: 200,
      restores: 20,
      diskFailures: 10,
      refusedRaises: 30,
    },
  },
};

/** Where a batch of a layer was not bad enough to have shown anything; empty = it was. */
export function shortfalls(layer: string, reports: readonly RunReport[]): readonly string[] {
  const minima = MINIMA[layer];
  if (minima === undefined) return [];
  const shortest = Math.min(...reports.map(({ millis }) => millis));
  const share = reports.length / FULL_BATCH_SEEDS;
  return [
    ...(shortest < minima.seedMillis ? [`a seed lasted only ${shortest} ms of virtual time`] : []),
    ...entriesOf(minima.medians).flatMap(([what, wanted]) => {
      const seen = median(reports, what);
      return seen < wanted ? [`the median seed saw ${seen} ${what}, not ${wanted}`] : [];
    }),
    ...entriesOf(minima.totals).flatMap(([what, wanted]) => {
      const seen = total(reports, what);
      return seen < wanted * share ? [`the batch saw ${seen} ${what}, not ${wanted * share}`] : [];
    }),
  ];
}

const entriesOf = (table: Partial<Coverage>): readonly (readonly [keyof Coverage, number])[] =>
  Object.entries(table) as [keyof Coverage, number][];
