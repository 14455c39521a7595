import { join } from "node:path";
import type { Client } from "../../engine/client/client.ts";
import { type BareDriver, openBareDriver } from "./bare-driver.ts";
import type { Lab } from "./lab.ts";
import type { BenchOptions } from "./options.ts";
import { benchSpec, freshId } from "./payload.ts";
import { need } from "./running-cluster.ts";
import { ratio } from "./statistics.ts";
import { clientOf, up } from "./up-cluster.ts";

type RunCase = { readonly driver: "process" | "docker"; readonly jobs: number };

type JobRate = { readonly perSecond: number; readonly failed: number };

const RUN: readonly RunCase[] = [
  { driver: "process", jobs: 300 },
  { driver: "docker", jobs: 40 },
];

const POLL_MILLIS = 20;
const WAIT_MILLIS_MAX = 60_000;
const WARM_UP_JOBS = 20;
/** What three nodes of two cores run at a time when a job reserves half a core. */
const PARALLEL = 12;

/** What submissions are for: jobs that are placed, started, run, reported and over. */
export async function reportJobRates(lab: Lab, options: BenchOptions): Promise<void> {
  for (const one of RUN) {
    const bare = await openBareDriver(one.driver, join(lab.directory, `bare-${one.driver}`));
    if (bare === null) {
      console.log(`! the driver ${one.driver} does not work here: no jobs were run by it`);
      continue;
    }
    const alone = await rateAlone(bare, one.jobs / 2);
    const { perSecond, failed } = await measureJobRate(lab, one, options.binary);
    console.log(
      `run: ${one.jobs} jobs \`true\`, driver ${one.driver}, submit to the last exit: ` +
        `${perSecond.toFixed(1)} jobs/s; the driver alone, ${PARALLEL} at a time: ` +
        `${alone.toFixed(1)}; ratio ${ratio(perSecond / alone)}` +
        (failed === 0 ? "" : `; ${failed} FAILED`),
    );
  }
}

async function rateAlone(bare: BareDriver, jobs: number): Promise<number> {
  let left = jobs;
  const from = performance.now();
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await bare.run();
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
  return (jobs * 1000) / (performance.now() - from);
}

/** Submits `true` jobs at once to a cluster with workers, and waits until the last has ended. */
async function measureJobRate(
  lab: Lab,
  { driver, jobs }: RunCase,
  binary: string | null,
): Promise<JobRate> {
  const cluster = await up(lab, { name: `up-${driver}`, binary, driver });
  const client = clientOf(cluster);
  try {
    await runAll(client, WARM_UP_JOBS);
    const before = await endedOf(client);
    const from = performance.now();
    await runAll(client, jobs);
    const seconds = (performance.now() - from) / 1000;
    const after = await endedOf(client);
    return { perSecond: jobs / seconds, failed: after.failed - before.failed };
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
