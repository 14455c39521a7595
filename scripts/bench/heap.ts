import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { JobsService } from "../../proto/gen/nl/v1/jobs.ts";
import type { Lab, Started } from "./lab.ts";
import { startNl } from "./nl-cluster.ts";
import { batchOf, createPayload, freshId } from "./payload.ts";
import { call, openClient, type Target } from "./raw-client.ts";
import { until } from "./running-cluster.ts";

type Heap = { readonly heapBytes: number; readonly rssBytes: number };

export type PendingCost = {
  readonly jobs: number;
  readonly heapBytesPerJob: number;
  readonly rssBytesPerJob: number;
};

const BATCH_JOBS = 1_000;
const BATCHES_IN_FLIGHT = 8;
const CALL_MILLIS = 60_000;
const PROBE_MILLIS = 10_000;
/** So that code and caches have their size before the first look. */
const WARM_UP_JOBS = 10_000;

/** What a pending job adds to the leader: its record, its place in the queues, its log entry. */
export async function measurePending(
  lab: Lab,
  options: { readonly jobs: number; readonly distinct: boolean },
): Promise<PendingCost> {
  const name = options.distinct ? "pending-distinct" : "pending";
  const cluster = await startNl(lab, name, {
    binary: null,
    profileDirectory: null,
    preload: join(import.meta.dir, "heap-probe.ts"),
  });
  await submitMany(cluster.target, { ...options, jobs: WARM_UP_JOBS });
  const before = await heapOf(lab, cluster.leader);
  await submitMany(cluster.target, options);
  const after = await heapOf(lab, cluster.leader);
  await lab.stop(cluster.processes);
  return {
    jobs: options.jobs,
    heapBytesPerJob: (after.heapBytes - before.heapBytes) / options.jobs,
    rssBytesPerJob: (after.rssBytes - before.rssBytes) / options.jobs,
  };
}

async function submitMany(
  target: Target,
  { jobs, distinct }: { readonly jobs: number; readonly distinct: boolean },
): Promise<void> {
  const client = openClient(target);
  const payload = createPayload({ distinct });
  const { path, responseDeserialize } = JobsService.submitJobs;
  let left = jobs;
  const work = async (): Promise<void> => {
    while (left > 0) {
      const count = Math.min(left, BATCH_JOBS);
      left -= count;
      const request = batchOf(Array.from({ length: count }, () => payload.entry(freshId())));
      const answer = await call(client, path, { request, deadlineMillis: CALL_MILLIS });
      const refused = responseDeserialize(answer).outcomes.find(({ failure }) => failure);
      if (refused !== undefined) throw new Error(`refused: ${refused.failure?.message}`);
    }
  };
  await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, work));
  client.close();
}

async function heapOf(lab: Lab, node: Started): Promise<Heap> {
  const file = join(lab.directory, `heap-${node.pid}.json`);
  rmSync(file, { force: true });
  // Twice: the first collection lets go what finalizers still held.
  process.kill(node.pid, "SIGUSR2");
  await Bun.sleep(1_000);
  process.kill(node.pid, "SIGUSR2");
  await Bun.sleep(500);
  return until(lab, { processes: [node], millis: PROBE_MILLIS }, async () =>
    existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Heap) : null,
  );
}
