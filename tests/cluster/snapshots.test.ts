import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { logTail } from "../../cmd/local/node-process.ts";
import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import { createModel, reduce } from "../../engine/view/model.ts";
import { newJob } from "./harness/jobs.ts";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { until } from "./harness/until.ts";

/**
 * Snapshots on real disks and connections: a member that missed the log comes back by one while
 * clients write, its watchers stay, and nodes start from what they have made or taken over.
 */

const FLAGS = ["--snapshot-entries", "300", "--snapshot-keep", "50"];
const FIRST = 200;
const MISSED = 1_500;
const CLIENTS = 32;
const LIMIT_MILLIS = 120_000;

const lab = new Lab();
const cluster = await LocalCluster.place(lab, "dev");
const job = { driver: "plain", run: "true" };
const acked: string[] = [];

beforeAll(async () => {
  await cluster.found();
  for (const id of cluster.nodeIds) cluster.serve(id, ...FLAGS);
  await cluster.leader();
  await submit(cluster.client(), FIRST);
}, LIMIT_MILLIS);

afterAll(() => lab.close());

describe("a follower that was frozen while the log was cut past it", () => {
  test("takes over a snapshot while clients write, and nl top on it shows everything", async () => {
    const control = cluster.client();
    const leader = await cluster.leader();
    const frozen = cluster.nodeIds.find((id) => id !== leader) ?? "";
    const alone = cluster.client([cluster.addressOf(frozen)]);
    const model = createModel(Date.now());
    const wanted = { jobs: true, nodes: true, status: true, jobId: "", finishedLimit: 0 };
    const watching = alone.watch(wanted, (event) => reduce(model, event, Date.now()));
    await until("the watch shows the first jobs", () => model.jobs.size === acked.length);

    cluster.signal(frozen, "SIGSTOP");
    await submit(control, MISSED);
    await until("the log is cut past it", async () => {
      const status = await control.getStatus();
      return status.ok && status.value.firstIndex > FIRST + MISSED / 2;
    });
    cluster.signal(frozen, "SIGCONT");
    await submit(control, MISSED);

    await until("nl top shows every job", () => model.jobs.size === acked.length, 30_000);
    await alike();
    expect(new Set(model.jobs.keys())).toEqual(new Set(acked));
    expect(logTail(cluster.root, frozen, 1_000).join("\n")).toContain("took over a snapshot");
    watching.stop();
  }, 90_000);

  test("no node keeps the founding snapshot, or more files than it may need", () => {
    for (const id of cluster.nodeIds) {
      const files = readdirSync(join(cluster.root, id, "snapshots"));

      expect(files).not.toContain("founding");
      expect(files.length).toBeLessThanOrEqual(3);
    }
  });
});

describe("a node that is killed", () => {
  test("starts from its snapshot, and catches up", async () => {
    const leader = await cluster.leader();
    const victim = cluster.nodeIds.find((id) => id !== leader) ?? "";
    await cluster.kill(victim);
    await submit(cluster.client(), 100);

    cluster.serve(victim, ...FLAGS);

    await alike();
  }, 60_000);

  test("with all others comes back with every job that was acked", async () => {
    for (const id of cluster.nodeIds) await cluster.kill(id);
    for (const id of cluster.nodeIds) cluster.serve(id, ...FLAGS);

    await cluster.leader();
    await alike();
    const status = await cluster.client().getStatus();
    expect(status.ok && status.value.counts?.pending).toBe(acked.length);
  }, 60_000);
});

/** So many jobs, by several clients at once; all are acked. */
async function submit(client: GrpcClient, count: number): Promise<void> {
  let left = count;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const submission = newJob(job);
      const answer = await client.submitJob(submission);
      if (!answer.ok) throw new Error(`${answer.error.code}: ${answer.error.message}`);
      acked.push(submission.jobId);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, one));
}

/** All nodes have applied the same entries, and their states are equal. */
async function alike(): Promise<void> {
  const asked = cluster.addresses.map((address) => cluster.client([address]));
  const hashes = await until(
    "the nodes have applied the same entries",
    async () => {
      const all = await Promise.all(asked.map((client) => client.getStatus()));
      const states = all.map((one) => (one.ok ? one.value : null));
      const indexes = new Set(states.map((state) => state?.appliedIndex ?? Math.random()));
      return indexes.size === 1 && states.map((state) => state?.stateHash);
    },
    30_000,
  );
  expect(new Set(hashes).size).toBe(1);
  for (const client of asked) client.close();
}
