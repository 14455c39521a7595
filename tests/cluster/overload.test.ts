import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Client as Channel } from "@grpc/grpc-js";
import type { Submission } from "../../engine/client/client.ts";
import { contention } from "./harness/contention.ts";
import { newJob } from "./harness/jobs.ts";
import { Lab } from "./harness/lab.ts";
import { listAll } from "./harness/list-all.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { openChannel, type Single, submitOnce } from "./harness/submit-once.ts";

/** Both followers are stopped (SIGSTOP): nothing can commit, and more is asked than can wait. */

const BURST = 3_000;
/** Proposals that may wait to enter the log; a burst that arrives at once is far above. */
const COMMIT_WAIT_MILLIS = 5_000;
const AT_ONCE_MILLIS = 1_500;
const SLACK_MILLIS = 2_000;

const lab = new Lab();
const slowness = contention();
const answers = new Map<Submission, Single>();
let cluster: LocalCluster;
let channel: Channel;
let leader = "";
let followers: readonly string[] = [];
let cli: Awaited<ReturnType<LocalCluster["nl"]>>;

beforeAll(async () => {
  cluster = await LocalCluster.serving(lab, "serving");
  leader = await cluster.leader();
  followers = cluster.nodeIds.filter((id) => id !== leader);
  channel = openChannel(cluster.addressOf(leader), cluster.clientDirectory);
  await submitOnce(channel, newJob({ run: "true" }));

  // Made before: the leader steps down a second after its followers fell silent.
  const burst = Array.from({ length: BURST }, () => newJob({ run: "true" }));
  for (const id of followers) cluster.signal(id, "SIGSTOP");
  const impatient = ["--addr", cluster.addressOf(leader), "--request-timeout", "6s"];
  const [said] = await Promise.all([
    cluster.nl(["submit", ...impatient, "--", "true"]),
    ...burst.map(async (job) => answers.set(job, await submitOnce(channel, job))),
  ]);
  cli = said;
  for (const id of followers) cluster.signal(id, "SIGCONT");
});

afterAll(async () => {
  channel.close();
  cluster.closeClients();
  await lab.close();
});

describe("a leader that cannot commit", () => {
  test("answers nothing with OK, and everything with a code", () => {
    const codes = new Set([...answers.values()].map(({ code }) => code));

    expect(answers.size).toBe(BURST);
    // `no_leader` is for what arrives after it has noticed that it leads nobody.
    for (const code of codes) expect(["overloaded", "indefinite", "no_leader"]).toContain(code);
  });

  test("refuses at once, with RESOURCE_EXHAUSTED, what finds no room to wait", () => {
    const refused = withCode("overloaded");

    expect(refused.length).toBeGreaterThan(0);
    expect(refused.every(({ grpcStatus }) => grpcStatus === 8)).toBe(true);
    expect(median(refused)).toBeLessThan(AT_ONCE_MILLIS * slowness);
  });

  test("gives up the rest after 5 s with DEADLINE_EXCEEDED, and says that it may still happen", () => {
    const open = withCode("indefinite");

    expect(open.length).toBeGreaterThan(0);
    expect(open.every(({ grpcStatus }) => grpcStatus === 4)).toBe(true);
    expect(open.every(({ message }) => message.includes("may still happen"))).toBe(true);
    expect(median(open)).toBeLessThan(COMMIT_WAIT_MILLIS + SLACK_MILLIS * slowness);
  });

  test("the command line says the same, and exits 5", () => {
    expect(cli.stderr).toContain("may still happen");
    expect(cli.stderr).toContain("code: indefinite");
    expect(cli.code).toBe(5);
    expect(cli.stdout).toBe("");
  });
});

describe("once the followers go on", () => {
  test("the same submissions, repeated with their ids, are exactly one job each", async () => {
    const client = cluster.client();
    const again = await client.submitJobs([...answers.keys()]);
    const jobs = await listAll(client);

    expect(again.ok && again.value.filter(({ failure }) => failure !== undefined)).toEqual([]);
    const ids = jobs.map(({ id }) => id);
    expect(new Set(ids).size).toBe(ids.length);
    const known = new Set(ids);
    expect([...answers.keys()].filter(({ jobId }) => !known.has(jobId))).toEqual([]);
    // Beside the burst: the first submission, and perhaps the one of the command line.
    expect(ids.length - BURST).toBeOneOf([1, 2]);
  });
});

const withCode = (code: string): readonly Single[] =>
  [...answers.values()].filter((answer) => answer.code === code);

function median(singles: readonly Single[]): number {
  const sorted = singles.map(({ millis }) => millis).sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.POSITIVE_INFINITY;
}
