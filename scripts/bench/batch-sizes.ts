import type { Lab } from "./lab.ts";
import { LoadGenerator } from "./load.ts";
import { startNl } from "./nl-cluster.ts";
import type { BenchOptions } from "./options.ts";
import type { Figure } from "./raft.ts";
import { millis, rate } from "./statistics.ts";

const SIZES = [1, 8, 64, 512];
/** One batch at a time shows the latency of a commit, sixteen its throughput. */
const ALONE = 1;
const TOGETHER = 16;
const WARM_UP_MILLIS = 1_000;

/** Commit latency and throughput by the number of jobs in a batch, three nodes over mutual TLS. */
export async function batchFigures(lab: Lab, options: BenchOptions): Promise<readonly Figure[]> {
  const cluster = await startNl(lab, "batches", options);
  const generator = new LoadGenerator();
  lab.onClose(() => generator.close());
  const run = (jobs: number, inFlight: number) =>
    generator.run({
      target: cluster.target,
      load: { kind: "batch", jobs, inFlight },
      distinct: options.distinct,
      warmUpMillis: WARM_UP_MILLIS,
      measureMillis: options.seconds * 1000,
    });
  const figures: Figure[] = [];
  for (const jobs of SIZES) {
    const alone = await run(jobs, ALONE);
    const together = await run(jobs, TOGETHER);
    const failed = alone.failed + together.failed;
    figures.push({
      name: `batch of ${jobs}`,
      value: `p50 ${millis(alone.p50Millis)} ms, p99 ${millis(alone.p99Millis)} ms`,
      note:
        `${rate(together.perSecond)} jobs/s with ${TOGETHER} in flight` +
        (failed === 0 ? "" : `; ${failed} FAILED`),
    });
  }
  await generator.close();
  await lab.stop(cluster.processes);
  return figures;
}
