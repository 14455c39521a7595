import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Client as Channel } from "@grpc/grpc-js";
import { defaultNodeConfig } from "../../engine/config/node-config.ts";
import type { NlError } from "../../engine/lib/error-code.ts";
import type { Result } from "../../engine/lib/result.ts";
import { type RunningNode, startNode } from "../../engine/node.ts";
import { openNode } from "../../engine/open-node.ts";
import { AMPLE_DISK } from "../../engine/storage/disk-watch.ts";
import { flipped } from "../support/harm.ts";
import { type Draw, seeded } from "../support/seeded.ts";
import { newJob } from "./harness/jobs.ts";
import { Lab } from "./harness/lab.ts";
import { listAll } from "./harness/list-all.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { openChannel, submitOnce } from "./harness/submit-once.ts";
import { until } from "./harness/until.ts";

/**
 * Issue 4: flip any single byte of any file in a stopped node's directory. With the whole node: it
 * starts and repairs itself from the leader, or it is refused with a sentence. The other two are
 * real processes; the harmed one is composed in this one, which saves its start 150 times.
 */

const SEED = Number(process.env["NL_SEED"] ?? 20_261_128);
const FLIPS = 10;
const FILE_MILLIS = 120_000;

const lab = new Lab();
const acked: string[] = [];
/** The files after whose harm a real process was refused as well: once each. */
const asProcess = new Set<string>();
let cluster: LocalCluster;
let channel: Channel;
let victim = "";
let draw: Draw;

beforeAll(async () => {
  draw = seeded(SEED);
  cluster = await LocalCluster.serving(lab, "dev");
  const leader = await cluster.leader();
  victim = cluster.nodeIds.find((id) => id !== leader) ?? "";
  channel = openChannel(cluster.addressOf(leader), cluster.clientDirectory);
  for (let at = 0; at < 10; at++) await submit();
  await cluster.kill(victim);
});

afterAll(async () => {
  channel.close();
  cluster.closeClients();
  await lab.close();
});

const directory = (): string => join(cluster.root, victim);

const FILES = [
  "log.sqlite",
  "log.sqlite-wal",
  "mark",
  "log.pid",
  "snapshots/founding",
  "node.json",
  "agent.json",
  "certs/ca.pem",
  "certs/ca-key.pem",
  "certs/node.pem",
  "certs/node-key.pem",
];

/** Only ever written, or only there. */
const UNREAD = ["nl.log", "ballast"];

describe(`${FLIPS} flipped bits with the whole node`, () => {
  test("are tried in every file of its directory", () => {
    expect(filesUnder(directory()).sort()).toEqual([...FILES].sort());
  });

  for (const file of FILES) {
    test(
      `in ${file}: it repairs itself or is refused with a sentence`,
      async () => {
        const outcomes = { started: 0, refused: 0 };
        for (let at = 0; at < FLIPS; at++)
          outcomes[await flipOnce(file, file !== "log.sqlite" || at % 2 === 1)] += 1;

        if (process.env["NL_TALLY"] === "1") console.log(file, outcomes);
        expect(outcomes.started + outcomes.refused).toBe(FLIPS);
        // There are others who have it.
        if (file.startsWith("snapshots/")) expect(outcomes.started).toBe(FLIPS);
      },
      FILE_MILLIS,
    );
  }

  /** Nothing in the directory tells: the leader's memory of what it had acked does. */
  test("aside: a directory put back from a backup catches up again", async () => {
    const backup = lab.path("backup");
    cpSync(directory(), backup, { recursive: true });
    await stopAfterUse(started(await start()), true);
    await stopAfterUse(started(await start()), true);
    rmSync(directory(), { recursive: true });
    cpSync(backup, directory(), { recursive: true });

    const node = started(await start());

    await untilWhole();
    await node.stop();
  });

  test("have cost no acked job, and the node agrees with the others", async () => {
    const node = started(await start());
    const client = cluster.client();
    const ids = new Set((await listAll(client)).map(({ id }) => id));
    client.close();
    await untilWhole();
    await node.stop();

    expect(acked.filter((id) => !ids.has(id))).toEqual([]);
  });
});

/** `isKilled`: the node that was started ends as by a kill, so that its WAL is full. */
async function flipOnce(file: string, isKilled: boolean): Promise<"started" | "refused"> {
  const path = join(directory(), file);
  const original = new Uint8Array(readFileSync(path));
  expect(original.length).toBeGreaterThan(0);
  const { what, bytes } = flipped(original, draw);
  writeFileSync(path, bytes ?? "");
  let isUndone = true;
  try {
    const node = await start();
    if (!node.ok) {
      await checkRefusal(file, node.error);
      return "refused";
    }
    await stopAfterUse(node.value, isKilled);
    isUndone = false;
    return "started";
  } catch (cause) {
    throw new Error(`${file}: ${what} (seed ${SEED}): ${String(cause)}`);
  } finally {
    if (isUndone) writeFileSync(path, original);
  }
}

/** The real program says the same, in its three lines, and ends with its code. */
async function checkRefusal(file: string, error: NlError): Promise<void> {
  expect(error.message).toMatch(/^[^\n]+$/);
  expect(error.message).not.toMatch(/\.ts:\d+/);
  expect(["refused", "low_disk"]).toContain(error.code);
  if (asProcess.has(file)) return;
  asProcess.add(file);
  const agent = await cluster.nl(["agent", "--dir", directory(), "--roles", "server"]);
  const said = [`error: ${error.message}`, `hint: ${error.hint}`, `code: ${error.code}`];
  expect(agent).toMatchObject({ code: 1, stderr: `${said.join("\n")}\n` });
}

async function start(): Promise<Result<RunningNode, NlError>> {
  const opened = await openNode(directory());
  if (!opened.ok) return opened;
  return startNode({
    ...opened.value,
    disk: AMPLE_DISK,
    worker: null,
    config: defaultNodeConfig({ cores: 2, profile: "development" }),
    version: "0.0.0-test",
    logger: { log: () => {} },
  });
}

function started(node: Result<RunningNode, NlError>): RunningNode {
  if (!node.ok) throw new Error(node.error.message);
  return node.value;
}

async function stopAfterUse(node: RunningNode, isKilled: boolean): Promise<void> {
  try {
    await submit();
    await untilWhole();
  } finally {
    const image = lab.path("image");
    if (isKilled) cpSync(directory(), image, { recursive: true });
    await node.stop();
    if (isKilled) {
      rmSync(directory(), { recursive: true });
      cpSync(image, directory(), { recursive: true });
      rmSync(image, { recursive: true });
    }
  }
}

async function submit(): Promise<void> {
  const job = newJob({ run: "true" });
  const { code, message } = await submitOnce(channel, job);
  expect({ code, message }).toEqual({ code: "ok", message: "" });
  acked.push(job.jobId);
}

/** It serves, it is not damaged (any more), and its state is the leader's. */
async function untilWhole(): Promise<void> {
  const own = cluster.client([cluster.addressOf(victim)]);
  const others = cluster.client(
    cluster.nodeIds.filter((id) => id !== victim).map((id) => cluster.addressOf(id)),
  );
  await until(`${victim} is whole`, async () => {
    const [mine, theirs] = await Promise.all([own.getStatus(), others.getStatus()]);
    if (!mine.ok || !theirs.ok) throw new Error(JSON.stringify([mine, theirs]));
    const { ready, warnings, stateHash, appliedIndex } = mine.value;
    if (!ready || warnings.length > 0) throw new Error(JSON.stringify(mine.value));
    return appliedIndex === theirs.value.appliedIndex && stateHash === theirs.value.stateHash;
  });
  own.close();
  others.close();
}

function filesUnder(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name).slice(folder.length + 1))
    .filter((name) => !UNREAD.includes(name));
}
