import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import type { Job } from "../../engine/client/client.ts";
import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import { newJob } from "./harness/jobs.ts";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { type Losses, loseNodes } from "./harness/lose-nodes.ts";
import { isAlive } from "./harness/processes.ts";
import { readAll } from "./harness/read-all.ts";
import { until } from "./harness/until.ts";
import { Witness } from "./harness/witness.ts";

/** The life of a job on real nodes: cancel, time-out, restart, drain, and the loss of nodes. */

/** SEMANTICS S7: the task of a cancelled job is gone within its grace + 5 s. */
const GONE_MILLIS = 5_000;
const LOSS_TEST_MILLIS = 90_000;

const lab = new Lab();
const witness = new Witness(lab.path("witness"));
const losers = new Witness(lab.path("losers"));
const [cluster, large] = await Promise.all([
  LocalCluster.place(lab, "dev"),
  LocalCluster.place(lab, "large"),
]);
let client: GrpcClient;
let losing: Promise<Losses>;

beforeAll(async () => {
  await cluster.up("--driver", "plain");
  await large.up("--driver", "plain", "--nodes", "5");
  client = cluster.client();
  // Takes half a minute of waiting: the other tests run meanwhile.
  losing = loseNodes(large, losers);
  losing.catch(() => {});
});
afterAll(() => lab.close());

describe("a cancel", () => {
  test("gives the job its grace: TERM first, and what listens to it ends in its own time", async () => {
    const id = await start(witness.script("trap 'echo bye; exit 0' TERM; sleep 600 & wait"));

    const cancelled = await cluster.nl(["cancel", id]);
    const waited = await cluster.nl(["wait", id]);

    expect(cancelled.stdout).toBe(`${id} cancelling\n`);
    expect(waited.code).toBe(143);
    expect((await readAll(client, id)).stdout).toBe("bye\n");
    expect((await jobOf(id)).state).toBe("cancelled");
  });

  test("kills after the grace what does not listen, and the task is gone", async () => {
    const id = await start(witness.script("trap '' TERM; while :; do sleep 0.2; done"), {
      kill_grace: "1s",
    });
    const pid = pidOf(id);
    const from = performance.now();

    await cluster.nl(["cancel", id]);
    const waited = await cluster.nl(["wait", id]);

    expect(waited.code).toBe(143);
    expect((await jobOf(id)).state).toBe("cancelled");
    await until("the task is gone", () => !isAlive(pid), GONE_MILLIS);
    expect(performance.now() - from).toBeGreaterThan(1_000);
    expect(performance.now() - from).toBeLessThan(1_000 + GONE_MILLIS);
  });
});

describe("a time-out", () => {
  test("ends the job, exit 124, and its whole process group with it", async () => {
    const body = `sleep 600 & echo $! > ${lab.path("child")}; wait`;

    const run = await cluster.nl(["run", "--timeout", "1s", "--", "sh", "-c", body]);

    expect(run.code).toBe(124);
    expect(run.stderr).toContain("timeout");
    const child = Number(await Bun.file(lab.path("child")).text());
    await until("the job's child is gone", () => !isAlive(child), GONE_MILLIS);
  });
});

describe("nl that is killed and started again", () => {
  test("finds its running tasks, with complete output, also of those that ended meanwhile", async () => {
    const stop = lab.path("stop-ticking");
    const ticking =
      "i=0; while [ ! -e STOP ]; do echo tick $i; i=$((i+1)); sleep 0.05; done; echo ticked $i";
    const long = await start(witness.script(ticking.replace("STOP", stop)));
    const { nodeId } = await jobOf(long);
    const away = lab.path("away");
    const brief = witness.script(`while [ ! -e ${away} ]; do sleep 0.05; done; echo while away`);
    const ends = await startOn(nodeId, brief);
    const host = cluster.taskHostPid(nodeId);

    await cluster.kill(nodeId);
    writeFileSync(away, "");
    await until("one of them ends while nl is away", () => !witness.unfinished().includes(ends));
    cluster.start(nodeId);
    await until("its exit is reported", async () => (await jobOf(ends)).state === "completed");
    writeFileSync(stop, "");
    await until("the other one ends", async () => (await jobOf(long)).state === "completed");

    expect(cluster.taskHostPid(nodeId)).toBe(host);
    expect((await readAll(client, ends)).stdout).toBe("while away\n");
    const { stdout, skippedBytes } = await readAll(client, long);
    const lines = stdout.trimEnd().split("\n");
    const ticks = lines.slice(0, -1);
    expect(ticks).toEqual(ticks.map((_, i) => `tick ${i}`));
    expect(lines.at(-1)).toBe(`ticked ${ticks.length}`);
    expect(skippedBytes).toBe(0);
    expect((await jobOf(long)).attempts).toHaveLength(1);
    expect((await jobOf(ends)).attempts).toHaveLength(1);
  });

  test("is not noticed by someone who follows a job there: run goes on to its end", async () => {
    const stop = lab.path("stop-following");
    const script = witness.script(
      `echo before; while [ ! -e ${stop} ]; do sleep 0.05; done; echo after`,
    );
    const { jobId } = newJob({ run: "true" });
    const run = cluster.nl(["run", "--id", jobId, "--", "sh", "-c", script]);
    await until("the job runs", async () => (await stateOf(jobId)) === "running");
    const { nodeId } = await jobOf(jobId);

    await cluster.kill(nodeId);
    cluster.start(nodeId);
    writeFileSync(stop, "");

    expect(await run).toMatchObject({ code: 0, stdout: "before\nafter\n" });
  });
});

describe("a drain", () => {
  test("moves leadership first, waits for running work, and says drained only when empty", async () => {
    const leader = await cluster.leader();
    const stop = lab.path("stop-draining");
    const body = witness.script(`while [ ! -e ${stop} ]; do sleep 0.05; done`);
    const id = await startOn(leader, body);

    const early = await cluster.nl(["drain", leader, "--timeout", "1s"]);

    expect(early.code).toBe(9);
    expect(early.stderr).toContain("not drained yet (1 left)");
    expect(await cluster.leader()).not.toBe(leader);
    expect(await eligibilityOf(leader)).toBe("draining");
    expect(await stateOf(id)).toBe("running");

    const drain = cluster.nl(["drain", leader]);
    writeFileSync(stop, "");
    const drained = await drain;

    expect(drained.code).toBe(0);
    expect(drained.stderr).toContain(`${leader} is drained`);
    expect(await eligibilityOf(leader)).toBe("drained");
    expect(await jobOf(id)).toMatchObject({ state: "completed" });
    expect((await jobOf(id)).attempts).toHaveLength(1);
  });

  test("keeps new work away until it is undone", async () => {
    const nodes = await client.listNodes();
    const listed = nodes.ok ? nodes.value.nodes : [];
    const drained = listed.find(({ eligibility }) => eligibility === "drained")?.id ?? "none";

    const elsewhere = await runFour();
    const undrain = await cluster.nl(["undrain", drained]);
    await until("it takes work again", async () => (await runFour()).includes(drained));

    expect(elsewhere).not.toContain(drained);
    expect(undrain.code).toBe(0);
    expect(undrain.stderr).toContain(`${drained} takes work again`);
  });
});

describe("nodes that are lost", () => {
  test(
    "their jobs run again elsewhere, once each, and the reason is in the record",
    async () => {
      const { dead, headless, before, after } = await losing;
      const again = before.filter(({ spec }) => spec?.name === "again");

      expect(again.length).toBeGreaterThan(1);
      for (const { id } of again) {
        const job = after.get(id);
        expect(job?.state).toBe("running");
        expect([dead, headless]).not.toContain(job?.nodeId);
        expect(job?.attempts).toHaveLength(2);
        expect(job?.attempts[1]?.cause).toBe("node-lost");
      }
      expect(losers.startedTwice()).toEqual([]);
    },
    LOSS_TEST_MILLIS,
  );

  test("a job that may start only once is failed instead", async () => {
    const { before, after } = await losing;
    const once = before.filter(({ spec }) => spec?.name === "once");

    expect(once.length).toBeGreaterThan(1);
    for (const { id } of once) {
      expect(after.get(id)).toMatchObject({ state: "failed", reason: "node-lost" });
      expect(losers.starts(id)).toBe(1);
    }
  });

  test("a task host without nl ends its tasks before the cluster runs them again", async () => {
    const { headless, before } = await losing;
    const again = before.filter(
      ({ nodeId, spec }) => nodeId === headless && spec?.name === "again",
    );

    expect(again.length).toBeGreaterThan(0);
    for (const { id } of again) {
      const events = losers.events().filter(({ job }) => job === id);
      expect(events.map(({ event }) => event)).toEqual(["start", "end", "start"]);
      expect(events.map(({ pid }) => isAlive(Number(pid)))).toEqual([false, false, true]);
    }
  });

  test("the node that comes back takes work again", async () => {
    const { dead } = await losing;

    large.start(dead);

    const back = large.client();
    await until(`${dead} is alive`, async () => {
      const nodes = await back.listNodes();
      const node = nodes.ok ? nodes.value.nodes.find(({ id }) => id === dead) : undefined;
      return node?.liveness === "alive" && node.eligibility === "ready";
    });
  });
});

/** Submits a job, and waits until its first line is in the witness file. */
async function start(run: string, fields: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const job = newJob({ driver: "plain", resources: { cpu: 0.1 }, run, ...fields });
  const submitted = await client.submitJob(job);
  if (!submitted.ok) throw new Error(submitted.error.message);
  await until(`${job.jobId} runs`, async () => {
    const hasStarted = witness.events().some(({ job: id }) => id === job.jobId);
    return hasStarted && (await stateOf(job.jobId)) === "running";
  });
  return job.jobId;
}

/** Nobody can ask for a node: one of several goes there, and all of them end in the same way. */
async function startOn(nodeId: string, run: string): Promise<string> {
  for (let attempt = 0; attempt < 12; attempt++) {
    const id = await start(run);
    if ((await jobOf(id)).nodeId === nodeId) return id;
  }
  throw new Error(`no job went to ${nodeId}`);
}

async function jobOf(id: string): Promise<Job> {
  const found = await client.getJob(id);
  if (!found.ok || found.value.job === undefined) throw new Error(`${id} is not known`);
  return found.value.job;
}

async function stateOf(id: string): Promise<string> {
  const found = await client.getJob(id);
  return found.ok ? (found.value.job?.state ?? "") : "";
}

const pidOf = (id: string): number => Number(witness.events().find(({ job }) => job === id)?.pid);

async function eligibilityOf(id: string): Promise<string> {
  const nodes = await client.listNodes();
  return nodes.ok ? (nodes.value.nodes.find((node) => node.id === id)?.eligibility ?? "") : "";
}

/** The nodes that four jobs at a time ran on. */
async function runFour(): Promise<readonly string[]> {
  const jobs = Array.from({ length: 4 }, () => newJob({ driver: "plain", run: "sleep 0.2" }));
  await Promise.all(jobs.map((job) => client.submitJob(job)));
  const ended = await Promise.all(
    jobs.map(({ jobId }) => client.waitJob(jobId, AbortSignal.timeout(20_000))),
  );
  return ended.map((job) => (job.ok ? job.value.nodeId : ""));
}
