import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { replay } from "../../engine/offline/replay.ts";
import { readRecording } from "../../engine/storage/recording-codec.ts";
import { newJob } from "./harness/jobs.ts";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { until } from "./harness/until.ts";

/** What real nodes recorded, through a kill -9 and a transfer, is done again bit for bit. */

const JOBS = 100;

const lab = new Lab();
let cluster: LocalCluster;
let lives = 0;

beforeAll(async () => {
  cluster = await LocalCluster.place(lab, "dev");
  await cluster.found();
  for (const id of cluster.nodeIds) record(id);
  await cluster.leader();
});

afterAll(() => lab.close());

/** Each life of a process has a file of its own. */
function record(id: string): void {
  lives += 1;
  cluster.serve(id, "--record", lab.path(`${lives}.nlrec`), "--record-bytes", "64Mi");
}

async function submit(): Promise<void> {
  const client = cluster.client();
  const jobs = Array.from({ length: JOBS }, () => newJob({ run: "true" }));
  const answers = await Promise.all(jobs.map((job) => client.submitJob(job)));
  expect(answers.filter(({ ok }) => !ok)).toEqual([]);
  client.close();
}

test("every life of every process is replayed, the killed one up to its death", async () => {
  const dead = await cluster.leader();
  await submit();
  await cluster.kill(dead);
  const next = await until("another leads", async () => {
    const leader = await cluster.leader();
    return leader !== dead && leader;
  });
  await submit();
  record(dead);
  const control = cluster.client();
  await until(`${dead} is back`, async () => {
    const status = await control.getStatus();
    const peer = status.ok ? status.value.peers.find(({ nodeId }) => nodeId === dead) : undefined;
    return peer?.known === true && peer.active && peer.lag === 0;
  });
  expect((await cluster.nl(["transfer-leader", "--to", dead])).code).toBe(0);
  expect(await cluster.leader()).toBe(dead);
  await submit();
  for (const id of cluster.nodeIds) cluster.signal(id, "SIGTERM");
  await until("all have ended", () => cluster.nodeIds.every((id) => !cluster.isUp(id)));

  const files = Array.from({ length: lives }, (_, at) => lab.path(`${at + 1}.nlrec`));
  for (const file of files) {
    const recording = readRecording(readFileSync(file));
    if (!recording.ok) throw new Error(recording.error);
    const { events } = recording.value;
    const { count, end } = replay(events);

    expect(end).toEqual({ kind: "equal" });
    expect(count).toBeGreaterThan(100);
  }
  expect(files).toHaveLength(4);
  expect(next).not.toBe(dead);
});
