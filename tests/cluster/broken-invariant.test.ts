import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { selfCommand } from "../../cmd/local/self-command.ts";
import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import { newJob } from "./harness/jobs.ts";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";

/** A node whose core breaks an invariant stops, says so, and leaves what replays it (contract 14). */

const EXIT_BUG = 70;
const BREAKS_AT = "40";
const PRELOAD = join(import.meta.dir, "harness", "break-at.ts");
const REPLAY = join(import.meta.dir, "..", "..", "scripts", "replay.ts");

const lab = new Lab();
let cluster: LocalCluster;
let client: GrpcClient;

beforeAll(async () => {
  cluster = await LocalCluster.place(lab, "dev");
  await cluster.found();
  for (const id of ["n1", "n2"]) cluster.serve(id);
  await cluster.leader();
  client = cluster.client();
});

afterAll(() => lab.close());

/** Runs a program of nl whose Raft log breaks. */
function broken([bun = "", ...words]: readonly string[]) {
  return Bun.spawn([bun, "--preload", PRELOAD, ...words], {
    env: { ...lab.env, NL_BREAK_AT: BREAKS_AT },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

test("the others go on, and what it leaves breaks again when it is replayed", async () => {
  const directory = join(cluster.root, "n3");
  const agent = broken(selfCommand("agent", "--dir", directory, "--roles", "server"));
  let isOver = false;
  const writing = (async () => {
    while (!isOver) expect((await client.submitJob(newJob({ run: "true" }))).ok).toBe(true);
  })();

  const code = await agent.exited;
  isOver = true;
  await writing;
  const said = await agent.stderr.text();
  const file = join(directory, "broken.nlrec");
  const replayed = broken([process.execPath, REPLAY, file]);

  expect(code).toBe(EXIT_BUG);
  expect(said).toContain(`replay with: bun run replay ${file}`);
  expect(said).toContain("a bug in nl, please report it: broken by the test");
  expect(said).not.toMatch(/^\s+at .+:\d+/m);
  expect(existsSync(file)).toBe(true);
  expect(await replayed.exited).toBe(0);
  expect(await replayed.stdout.text()).toContain("it broke again: broken by the test");
});
