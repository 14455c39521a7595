import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { nodeLog } from "../../cmd/local/cluster-file.ts";
import { logBytes, logSince } from "../../cmd/local/node-process.ts";
import { selfCommand } from "../../cmd/local/self-command.ts";
import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import { isMissing } from "../support/requirements.ts";
import { newJob } from "./harness/jobs.ts";
import { Lab } from "./harness/lab.ts";
import { listAll } from "./harness/list-all.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { isAlive } from "./harness/processes.ts";
import { Syscalls } from "./harness/syscalls.ts";
import { until } from "./harness/until.ts";

/** The disk of the leader fails, or hangs, while clients submit (S17, P28; DESIGN, Log store). */

const SYNCS = ["fsync", "fdatasync"];
const WRITERS = 4;
const LIMIT_MILLIS = 60_000;

const acked: string[] = [];
const agents = new Map<string, Bun.Subprocess>();
let lab: Lab;
let cluster: LocalCluster;
let client: GrpcClient;
let isOver = false;
let writers: readonly Promise<void>[] = [];

describe.skipIf(isMissing("strace"))("a leader whose disk", () => {
  beforeAll(async () => {
    lab = new Lab();
    cluster = await LocalCluster.place(lab, "dev");
    await cluster.found();
    for (const id of cluster.nodeIds) startAgent(id);
    await cluster.leader();
    client = cluster.client();
    writers = Array.from({ length: WRITERS }, () => keepSubmitting());
    await until("clients are answered", () => acked.length > 20);
  });

  afterAll(async () => {
    isOver = true;
    await Promise.all(writers);
    cluster.closeClients();
    await lab.close();
  });

  test(
    "hangs steps down, says so and stays; the others go on",
    async () => {
      const leader = await cluster.leader();
      const faults = await Syscalls.inject(cluster.agentPid(leader), {
        calls: SYNCS,
        effect: "delay_enter=2500000",
      });

      const next = await until("another node leads", async () => {
        const status = await otherThan(leader).getStatus();
        return status.ok && status.value.leaderId !== leader && status.value.leaderId;
      });
      await untilAcked(20);
      const warning = await until(`${leader} says what is the matter`, async () => {
        const status = await cluster.client([cluster.addressOf(leader)]).getStatus();
        return status.ok && (status.value.warnings.find((said) => /disk/.test(said)) ?? false);
      });
      await faults.stop();

      expect(next).not.toBe(leader);
      expect(warning).toMatch(/has not finished a write .*: it does not lead now/);
      expect(agents.get(leader)?.exitCode).toBeNull();
      await untilBack(leader);
    },
    LIMIT_MILLIS,
  );

  test(
    "fails stops with code 74 and one sentence; its tasks and the others go on",
    async () => {
      const leader = await cluster.leader();
      const task = await runningOn(leader);
      const host = cluster.taskHostPid(leader);
      const from = logBytes(cluster.root, leader);

      await Syscalls.inject(cluster.agentPid(leader), { calls: SYNCS, effect: "error=EIO" });
      const code = await agents.get(leader)?.exited;
      const said = logSince(cluster.root, leader, from).filter((line) => line.startsWith("error:"));
      await untilAcked(20);

      expect(code).toBe(74);
      expect(said).toHaveLength(1);
      expect(said[0]).toMatch(
        /^error: the log store failed .*(log\.sqlite|mark) failed: .*start the node again/,
      );
      expect(isAlive(host)).toBe(true);
      startAgent(leader);
      await untilBack(leader);
      const found = await client.getJob(task);
      const job = found.ok ? found.value.job : undefined;
      expect({ state: job?.state, attempts: job?.attempts.length }).toEqual({
        state: "running",
        attempts: 1,
      });
    },
    LIMIT_MILLIS,
  );

  test(
    "failed has cost no acked job",
    async () => {
      isOver = true;
      await Promise.all(writers);

      const known = new Set((await listAll(client)).map(({ id }) => id));

      expect(acked.filter((id) => !known.has(id))).toEqual([]);
    },
    LIMIT_MILLIS,
  );
});

/** As `nl up` does, but as a child of this process, which learns how it ends. */
function startAgent(id: string): void {
  const log = openSync(nodeLog(cluster.root, id), "a", 0o600);
  const command = selfCommand("agent", "--dir", join(cluster.root, id), "--driver", "plain");
  const agent = Bun.spawn([...command], {
    env: { ...cluster.env },
    stdin: "ignore",
    stdout: log,
    stderr: log,
  });
  closeSync(log);
  agents.set(id, agent);
}

async function keepSubmitting(): Promise<void> {
  while (!isOver) {
    const job = newJob({ run: "true", driver: "plain", resources: { cpu: 0.01 } });
    const submitted = await client.submitJob(job);
    if (submitted.ok) acked.push(job.jobId);
  }
}

async function untilAcked(more: number): Promise<void> {
  const from = acked.length;
  await until(`${more} more jobs are acked`, () => acked.length >= from + more);
}

const otherThan = (id: string): GrpcClient =>
  cluster.client(
    cluster.nodeIds.filter((other) => other !== id).map((other) => cluster.addressOf(other)),
  );

/** A job that runs on this node until the lab is closed. */
async function runningOn(id: string): Promise<string> {
  const jobs = Array.from({ length: 9 }, () =>
    newJob({ run: "sleep 600", driver: "plain", resources: { cpu: 0.01 } }),
  );
  for (const job of jobs) await client.submitJob(job);
  return until(`a job runs on ${id}`, async () => {
    const found = (await listAll(client)).find(
      (job) =>
        job.state === "running" && job.nodeId === id && jobs.some(({ jobId }) => jobId === job.id),
    );
    return found?.id ?? null;
  });
}

/** It follows again, close behind the others while clients go on. */
async function untilBack(id: string): Promise<void> {
  const [own, others] = [cluster.client([cluster.addressOf(id)]), otherThan(id)];
  await until(`${id} agrees with the others`, async () => {
    const [mine, theirs] = await Promise.all([own.getStatus(), others.getStatus()]);
    if (!mine.ok || !theirs.ok) throw new Error(JSON.stringify([mine, theirs]));
    return mine.value.ready && mine.value.appliedIndex >= theirs.value.appliedIndex - 50;
  });
}
