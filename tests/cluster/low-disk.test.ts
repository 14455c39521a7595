import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, rmSync, statfsSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { nodeDirectory } from "../../cmd/local/cluster-file.ts";
import { startAgent } from "../../cmd/local/node-process.ts";
import { isMissing } from "../support/requirements.ts";
import { Lab } from "./harness/lab.ts";
import { listAll } from "./harness/list-all.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { isAlive } from "./harness/processes.ts";
import { until } from "./harness/until.ts";

/** A disk runs full under a node that leads: its data lies on a small file system of its own (S17). */

const MIB = 1024 * 1024;
const DISK_MIB = 256;
const BALLAST_MIB = 64;
/** Below this a node is low; with its ballast there are about 190 MiB free at the start. */
const MIN_FREE_MIB = 100;
const LIMIT_MILLIS = 60_000;

let lab: Lab;
let cluster: LocalCluster;
let small = "";

describe.skipIf(isMissing("root"))("a leader whose disk", () => {
  beforeAll(async () => {
    lab = new Lab();
    cluster = await LocalCluster.place(lab, "dev");
    await cluster.found();
    for (const id of cluster.nodeIds) serve(id);
    small = await cluster.leader();
    await end(small);
    moveToSmallDisk(small);
    serve(small);
    await until(`${small} leads again`, async () => {
      await cluster.nl(["transfer-leader", "--to", small]);
      return (await cluster.leader()) === small;
    });
  });

  afterAll(async () => {
    cluster.closeClients();
    Bun.spawnSync(["umount", "--lazy", directory()]);
    await lab.close();
  });

  test(
    "has room sets a ballast aside, of real blocks",
    async () => {
      await until("the ballast is there", () => existsSync(ballast()));

      expect(statSync(ballast()).blocks * 512).toBe(BALLAST_MIB * MIB);
    },
    LIMIT_MILLIS,
  );

  test(
    "runs low hands leadership over and says so, and jobs are taken as before",
    async () => {
      fillTo(MIN_FREE_MIB - 20);

      const next = await until("another node leads", async () => {
        const leader = await cluster.leader();
        return leader !== small && leader;
      });
      const submitted = await cluster.nl(["submit", "--", "true"]);
      const [warning] = await warningsOf(small);

      expect(next).not.toBe(small);
      expect(submitted.code).toBe(0);
      expect(warning).toMatch(/^only \d+ MiB are free on the disk of .*: it takes no new jobs/);
      expect(existsSync(ballast())).toBe(true);
    },
    LIMIT_MILLIS,
  );

  test(
    "is full when it starts gives its ballast back, and follows",
    async () => {
      await end(small);
      fillTo(0);
      expect(freeMib()).toBe(0);

      serve(small);
      await cluster.nl(["submit", "--", "true"]);
      await untilSame(small);

      expect(existsSync(ballast())).toBe(false);
      expect(freeMib()).toBeGreaterThan(BALLAST_MIB / 2);
    },
    LIMIT_MILLIS,
  );

  test(
    "has room again says nothing any more, and has its ballast again",
    async () => {
      rmSync(filler());

      await until("it does not warn any more", async () => (await warningsOf(small)).length === 0);
      await until("the ballast is there again", () => existsSync(ballast()));
    },
    LIMIT_MILLIS,
  );
});

describe("a cluster of which every node is low on disk", () => {
  test(
    "refuses jobs with a sentence and code 7, answers reads, and keeps its leader",
    async () => {
      const own = new Lab();
      const dry = await LocalCluster.place(own, "dry");
      await dry.found();
      for (const id of dry.nodeIds) {
        startAgent(dry.root, id, ["--roles", "server", "--min-free", "1000Ti"]);
      }
      await dry.leader();
      const client = dry.client();
      await until("every node knows of its disk", async () => {
        const all = await Promise.all(
          dry.nodeIds.map((id) => dry.client([dry.addressOf(id)]).getStatus()),
        );
        return all.every((status) => status.ok && status.value.warnings.length > 0);
      });
      const before = await client.getStatus();

      const submitted = await dry.nl(["submit", "--", "true"]);
      const jobs = await listAll(client);
      const after = await client.getStatus();
      dry.closeClients();
      await own.close();

      expect(submitted.code).toBe(7);
      expect(submitted.stderr).toMatch(
        /^error: only \d+ MiB are free .*\nhint: .*\ncode: low_disk\n$/,
      );
      expect(jobs).toEqual([]);
      const termOf = (status: typeof before) => (status.ok ? status.value.term : 0);
      const leaderOf = (status: typeof before) => (status.ok ? status.value.leaderId : "nobody");
      expect(leaderOf(after)).toBe(leaderOf(before));
      expect(termOf(after)).toBe(termOf(before));
    },
    LIMIT_MILLIS,
  );
});

const directory = (): string => nodeDirectory(cluster.root, small);
const ballast = (): string => join(directory(), "ballast");
const filler = (): string => join(directory(), "filler");

function serve(id: string): void {
  startAgent(cluster.root, id, ["--roles", "server", "--min-free", `${MIN_FREE_MIB}Mi`]);
}

async function end(id: string): Promise<void> {
  const pid = cluster.agentPid(id);
  cluster.signal(id, "SIGTERM");
  await until(`${id} has stopped`, () => !isAlive(pid));
}

function moveToSmallDisk(id: string): void {
  const kept = lab.path("kept");
  cpSync(nodeDirectory(cluster.root, id), kept, { recursive: true });
  const options = `size=${DISK_MIB}m,mode=0700`;
  const mounted = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", options, "nl-test", directory()]);
  if (mounted.exitCode !== 0) throw new Error(`no small disk: ${mounted.stderr}`);
  cpSync(kept, directory(), { recursive: true });
}

const freeMib = (): number => {
  const { bavail, bsize } = statfsSync(directory());
  return Math.floor((bavail * bsize) / MIB);
};

/** Writes until so much is free, or nothing goes any more. */
function fillTo(wantedMib: number): void {
  const file = Bun.file(filler());
  const from = existsSync(filler()) ? file.size : 0;
  const { bavail, bsize } = statfsSync(directory());
  const bytes = bavail * bsize - wantedMib * MIB;
  const length = from + Math.max(0, bytes);
  Bun.spawnSync(["fallocate", "-l", String(length), filler()]);
  if (!existsSync(filler())) writeFileSync(filler(), "");
}

async function warningsOf(id: string): Promise<readonly string[]> {
  const client = cluster.client([cluster.addressOf(id)]);
  const status = await client.getStatus();
  client.close();
  return status.ok ? status.value.warnings : ["it does not answer"];
}

/** It has applied what the others have, and has the same state. */
async function untilSame(id: string): Promise<void> {
  const [own, all] = [cluster.client([cluster.addressOf(id)]), cluster.client()];
  await until(`${id} agrees with the others`, async () => {
    const [mine, theirs] = await Promise.all([own.getStatus(), all.getStatus()]);
    if (!mine.ok || !theirs.ok) throw new Error(JSON.stringify([mine, theirs]));
    const isSame = mine.value.stateHash === theirs.value.stateHash;
    return mine.value.ready && isSame && mine.value.appliedIndex === theirs.value.appliedIndex;
  });
}
