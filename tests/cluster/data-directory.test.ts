import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeLog } from "../../cmd/local/cluster-file.ts";
import type { NodeId, UnixMillis } from "../../engine/lib/ids.ts";
import { newNodes } from "../../engine/new-cluster.ts";
import { createClusterDirectories, readIdentity } from "../../engine/storage/data-directory.ts";
import { Lab } from "./harness/lab.ts";
import { listAll } from "./harness/list-all.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { isAlive, send } from "./harness/processes.ts";
import { until } from "./harness/until.ts";

/**
 * A node's directory that is damaged, foreign, or made again under the same name: its node never
 * harms the others, and says what is the matter (S3, S15).
 */

const STACK_TRACE = /^\s+at .+:\d+/m;
const DATA = ["log.sqlite", "log.sqlite-wal", "log.sqlite-shm", "mark", "snapshots"];

const lab = new Lab();
let cluster: LocalCluster;
let stranger: LocalCluster;
let known: readonly string[] = [];
/** The node of the current test, and the place in its log where the test began. */
let victim = "";
let from = 0;

beforeAll(async () => {
  stranger = await LocalCluster.place(lab, "stranger");
  cluster = await LocalCluster.serving(lab, "dev");
  await stranger.found();
  const submit = ["submit", "--", "true"];
  await Promise.all([cluster.nl(submit), cluster.nl(submit), cluster.nl(submit)]);
  known = await jobIds();
  expect(known).toHaveLength(3);
});

afterAll(() => lab.close());

afterEach(async () => {
  expect(said()).not.toMatch(STACK_TRACE);
  expect(await jobIds()).toEqual(known);
  await putBack();
});

describe("a node whose data", () => {
  test("has a flipped bit starts damaged and says so", async () => {
    await stopFollower();
    flipBit(directory(), known[0] ?? "");

    cluster.serve(victim);

    await untilItSays(/is damaged/);
  });

  test("has lost its log refuses to start, and says what is safe", async () => {
    await stopFollower();
    for (const file of ["log.sqlite", "log.sqlite-wal"]) rmSync(join(directory(), file));

    cluster.serve(victim);

    await untilItSays(/log.sqlite is missing.*keep the directory/);
    await until(`${victim} has ended`, () => !cluster.isUp(victim));
  });

  test("is that of another cluster refuses to start, and changes nothing", async () => {
    await stopFollower();
    replaceData(join(stranger.root, victim));
    const before = readFileSync(join(directory(), "mark"));

    cluster.serve(victim);

    await untilItSays(/code: refused/);
    await until(`${victim} has ended`, () => !cluster.isUp(victim));
    expect(readFileSync(join(directory(), "mark"))).toEqual(before);
  });

  test("was made again under the same name is refused by the others, and says so", async () => {
    await stopFollower();
    replaceData(await madeAgain());

    cluster.serve(victim);

    await untilItSays(/another data directory than it joined with/);
  });
});

describe("nl up", () => {
  test("does not start a node from a directory of another cluster, and says whose it is", async () => {
    await stopFollower();
    rmSync(directory(), { recursive: true });
    cpSync(join(stranger.root, victim), directory(), { recursive: true });

    const up = await cluster.up();

    expect(up.stderr).toContain(`${victim} is not started`);
    expect(up.stderr).toContain(`is the directory of ${victim} in cluster dev-`);
    expect(cluster.isUp(victim)).toBe(false);
  });
});

const directory = (): string => join(cluster.root, victim);
const kept = (): string => lab.path(`${victim}.kept`);

async function stopFollower(): Promise<void> {
  const leader = await cluster.leader();
  victim = cluster.nodeIds.find((id) => id !== leader) ?? "";
  await end("SIGTERM");
  cpSync(directory(), kept(), { recursive: true });
  from = readLog().length;
}

async function end(signal: NodeJS.Signals): Promise<void> {
  const pid = cluster.agentPid(victim);
  send(pid, signal);
  await until(`${victim} has stopped`, () => !isAlive(pid));
}

/** The node as it was before the test, so that the next one finds three that run. */
async function putBack(): Promise<void> {
  if (cluster.isUp(victim)) await end("SIGKILL");
  rmSync(directory(), { recursive: true, force: true });
  renameSync(kept(), directory());
  cluster.serve(victim);
  const client = cluster.client([cluster.addressOf(victim)]);
  await until(`${victim} serves again`, async () => {
    const status = await client.getStatus();
    if (status.ok && status.value.ready) return true;
    throw new Error(`${JSON.stringify(status)}\n${cluster.tail(victim)}`);
  });
  client.close();
}

async function jobIds(): Promise<readonly string[]> {
  const client = cluster.client();
  const ids = (await listAll(client)).map(({ id }) => id).sort();
  client.close();
  return ids;
}

/** One bit of what the log says about this job, wherever SQLite keeps it. */
function flipBit(folder: string, jobId: string): void {
  for (const file of ["log.sqlite", "log.sqlite-wal"].map((name) => join(folder, name))) {
    const bytes = existsSync(file) ? readFileSync(file) : Buffer.alloc(0);
    const at = bytes.indexOf(jobId);
    if (at < 0) continue;
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    writeFileSync(file, bytes);
    return;
  }
  throw new Error(`${jobId} is in no file of ${folder}`);
}

/** Data from elsewhere beside this node's own certificates and addresses. */
function replaceData(source: string): void {
  for (const name of DATA) {
    rmSync(join(directory(), name), { recursive: true, force: true });
    if (existsSync(join(source, name))) {
      cpSync(join(source, name), join(directory(), name), { recursive: true });
    }
  }
}

/** First data of the same cluster for a node of the same name: only its store id is another one. */
async function madeAgain(): Promise<string> {
  const members = cluster.nodeIds.map((id, at) => {
    const identity = readIdentity(join(cluster.root, id));
    if (!identity.ok) throw new Error(identity.error.detail);
    const { storeId, peerId } = identity.value;
    const address = cluster.addresses[at] ?? "";
    return {
      nodeId: id as NodeId,
      peerId,
      storeId: id === victim ? `${storeId.slice(1)}x` : storeId,
      rpcAddress: address,
      httpAddress: address,
    };
  });
  const identity = readIdentity(directory());
  const clusterId = identity.ok ? identity.value.clusterId : "";
  const founding = { clusterId, clusterName: "dev", at: Date.now() as UnixMillis, members };
  const nodes = newNodes(founding).filter(({ nodeId }) => nodeId === victim);
  const made = await createClusterDirectories({ directory: lab.path("again"), nodes });
  if (!made.ok) throw new Error(made.error.detail);
  return lab.path("again", victim);
}

const readLog = (): string => {
  const path = nodeLog(cluster.root, victim);
  return existsSync(path) ? readFileSync(path, "utf8") : "";
};
const said = (): string => readLog().slice(from);

/** In its log, since the test began. */
async function untilItSays(words: RegExp): Promise<void> {
  await until(`${victim} says ${words}`, () => {
    if (words.test(said())) return true;
    throw new Error(`it says only\n${said()}`);
  });
}
