import type { Client } from "../../engine/client/client.ts";
import type { Lab } from "./lab.ts";
import { benchSpec, freshId } from "./payload.ts";
import { need } from "./running-cluster.ts";
import { clientOf, up } from "./up-cluster.ts";

export type JobRate = {
  readonly driver: string;
  readonly jobs: number;
  readonly perSecond: number;
  readonly failed: number;
};

const POLL_MILLIS = 20;
const WAIT_MILLIS_MAX = 60_000;
const WARM_UP_JOBS = 20;

/** Submits `true` jobs at once to a cluster with workers, and waits until the last has ended. */
export async function measureJobRate(
  lab: Lab,
  options: { readonly driver: string; readonly jobs: number; readonly binary: string | null },
): Promise<JobRate> {
  const { driver, jobs, binary } = options;
  const cluster = await up(lab, { name: `up-${driver}`, binary, driver });
  const client = clientOf(cluster);
  try {
    await runAll(client, WARM_UP_JOBS);
    const before = await endedOf(client);
    const from = performance.now();
    await runAll(client, jobs);
    const seconds = (performance.now() - from) / 1000;
    const after = await endedOf(client);
    return { driver, jobs, perSecond: jobs / seconds, failed: after.failed - before.failed };
  } finally {
    client.close();
    await cluster.down();
  }
}

async function runAll(client: Client, jobs: number): Promise<void> {
  const before = await endedOf(client);
  const spec = benchSpec("true", ["true"]);
  const submissions = Array.from({ length: jobs }, () => ({ jobId: freshId(), spec }));
  need(await client.submitJobs(submissions));
  const deadline = performance.now() + WAIT_MILLIS_MAX;
  for (;;) {
    const { total } = await endedOf(client);
    if (total >= before.total + jobs) return;
    if (performance.now() > deadline) {
      throw new Error(`only ${total - before.total} of ${jobs} jobs ended in time`);
    }
    await Bun.sleep(POLL_MILLIS);
  }
}

async function endedOf(
  client: Client,
): Promise<{ readonly total: number; readonly failed: number }> {
  const { counts } = need(await client.getStatus());
  const failed = (counts?.failed ?? 0) + (counts?.cancelled ?? 0);
  return { total: (counts?.completed ?? 0) + failed, failed };
}
