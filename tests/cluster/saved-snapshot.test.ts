import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readClusterFile } from "../../cmd/local/cluster-file.ts";
import { newJob } from "./harness/jobs.ts";
import { Lab } from "./harness/lab.ts";
import { listAll } from "./harness/list-all.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { until } from "./harness/until.ts";

/** `nl snapshot`: saved from a cluster under load, restored as another one. */

const lab = new Lab();
afterAll(() => lab.close());

const LIMIT_MILLIS = 60_000;

let old: LocalCluster;
let file: string;
let other: LocalCluster;
/** Of jobs whose submission was answered before the snapshot was asked for. */
const acked: string[] = [];
let runningId: string;

beforeAll(async () => {
  old = await LocalCluster.place(lab, "old");
  other = await LocalCluster.place(lab, "other");
  file = join(lab.directory, "saved.snap");
  const up = await old.up("--driver", "plain");
  expect(up.code).toBe(0);
  const finished = await old.nl([
    "submit",
    "--wait",
    "--name",
    "finished",
    "--",
    "sh",
    "-c",
    "exit 7",
  ]);
  acked.push(finished.stdout.trim().split("\n")[0] ?? "");
  const running = await old.nl(["run", "-d", "--", "sleep", "600"]);
  runningId = running.stdout.trim();
  acked.push(runningId);
  await until("the job runs", async () => (await stateOf(old, runningId)) === "running");
}, LIMIT_MILLIS);

describe("nl snapshot save", () => {
  test(
    "holds every job acked before it, while others are being submitted",
    async () => {
      const client = old.client();
      const load = submitting(client);
      await until("some jobs are in", () => load.ids.length > 50);
      const before = [...load.ids];

      const saved = await old.nl(["snapshot", "save", file]);

      await load.stop();
      acked.push(...before);
      expect(saved.stderr).toContain("all that was acked");
      expect(saved.code).toBe(0);
      const inspected = await old.nl(["snapshot", "inspect", file, "-o", "json"]);
      const found = JSON.parse(inspected.stdout);
      expect(found).toMatchObject({ verified: true, nodes: ["n1", "n2", "n3"] });
      expect(found.jobs).toBeGreaterThanOrEqual(acked.length);
      expect(found.counts.running).toBeGreaterThanOrEqual(1);
    },
    LIMIT_MILLIS,
  );

  test(
    "replaces nothing that it was not told to",
    async () => {
      const path = join(lab.directory, "mine");
      writeFileSync(path, "mine");

      const refused = await old.nl(["snapshot", "save", path]);
      const forced = await old.nl(["snapshot", "save", path, "--force"]);

      expect(refused).toMatchObject({
        code: 1,
        stderr: expect.stringContaining("is there already"),
      });
      expect(forced.code).toBe(0);
      expect((await old.nl(["snapshot", "inspect", path])).code).toBe(0);
    },
    LIMIT_MILLIS,
  );
});

describe("nl snapshot restore", () => {
  test(
    "says what is wrong in one sentence, and makes nothing",
    async () => {
      const full = join(lab.directory, "full");
      mkdirSync(full);
      writeFileSync(join(full, "file"), "");
      const damaged = join(lab.directory, "damaged.snap");
      const bytes = readFileSync(file);
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 4;
      writeFileSync(damaged, bytes);
      const to = join(lab.directory, "nothing");
      const cases = [
        { words: ["restore", file], code: 2, says: "--dir is missing" },
        { words: ["restore", file, "--dir", full], code: 1, says: "holds other files" },
        { words: ["restore", damaged, "--dir", to], code: 1, says: "damaged" },
        { words: ["restore", "nowhere", "--dir", to], code: 1, says: "does not exist" },
        { words: ["restore", file, "--dir", to, "--node", "n1"], code: 2, says: "ID=HOST:PORT" },
        { words: ["inspect", damaged], code: 1, says: "damaged" },
      ];

      for (const { words, code, says } of cases) {
        const ended = await old.nl(["snapshot", ...words]);
        expect({ words, code: ended.code, stderr: ended.stderr }).toEqual({
          words,
          code,
          stderr: expect.stringContaining(says),
        });
      }
      expect(await Bun.file(join(to, "cluster.json")).exists()).toBe(false);
    },
    LIMIT_MILLIS,
  );

  test(
    "makes a cluster of its own that has every job, and runs what was running",
    async () => {
      await old.nl(["down", "--now"]);
      const ports = ["--port-base", String(other.portBase)];

      const restored = await old.nl(["snapshot", "restore", file, "--dir", other.root, ...ports]);
      expect(restored.stderr).toContain("nl up --data");
      expect(restored.code).toBe(0);
      const up = await other.nl(["up", "--driver", "plain"]);
      expect(up.code).toBe(0);

      const ids = new Set((await listAll(other.client())).map(({ id }) => id));
      expect(acked.filter((id) => !ids.has(id))).toEqual([]);
      expect(clusterIdOf(other)).not.toBe(clusterIdOf(old));
      expect((await other.nl(["wait", acked[0] ?? ""])).code).toBe(7);
      await until("it runs again", async () => (await stateOf(other, runningId)) === "running");
      const again = await other.client().getJob(runningId);
      const attempts = again.ok ? (again.value.job?.attempts ?? []) : [];
      expect(attempts.map(({ number, state }) => [number, state])).toEqual([
        [1, "lost"],
        [2, "running"],
      ]);
      const fresh = await other.nl(["run", "--", "echo", "hello"]);
      expect(fresh.stdout).toBe("hello\n");
    },
    LIMIT_MILLIS * 2,
  );
});

function submitting(client: ReturnType<LocalCluster["client"]>) {
  const ids: string[] = [];
  let isStopped = false;
  const work = async (): Promise<void> => {
    while (!isStopped) {
      const job = newJob({ command: ["true"], name: `load-${ids.length}` });
      const answer = await client.submitJob(job);
      if (answer.ok) ids.push(job.jobId);
    }
  };
  const workers = Array.from({ length: 8 }, work);
  return {
    ids,
    stop: async () => {
      isStopped = true;
      await Promise.all(workers);
    },
  };
}

async function stateOf(cluster: LocalCluster, id: string): Promise<string> {
  const client = cluster.client();
  const found = await client.getJob(id);
  client.close();
  return found.ok ? (found.value.job?.state ?? "") : found.error.code;
}

function clusterIdOf(cluster: LocalCluster): string {
  const read = readClusterFile(cluster.root);
  return read.ok ? (read.value?.clusterId ?? "") : "";
}
