import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Subprocess } from "bun";
import type { OutputChunk } from "../../engine/platform/output-reader.ts";
import type { TaskRequest } from "../../engine/platform/task-host.ts";
import type { TaskHostClient } from "../../engine/task-host/task-host-client.ts";
import { flipped } from "../support/harm.ts";
import { type Draw, seeded } from "../support/seeded.ts";
import { Agent, taskRequest } from "./task-host.ts";
import { HostLab } from "./task-host-lab.ts";

/**
 * Issue 4: flip any single byte of any file in a stopped node's directory. Here those of its task
 * host, which was killed: the next one knows what has run and how it ended, or it refuses with a
 * sentence; no attempt is started twice (SEMANTICS S3), and no output is shown that nobody wrote.
 */

const SEED = Number(process.env["NL_SEED"] ?? 20_261_128);
const FLIPS = 10;
const FILE_MILLIS = 120_000;
const EXIT_DAMAGED = 74;
const JOURNAL = "tasks.journal";

const lab = new HostLab("plain");
/** A line for each time that a task began. */
const began = join(lab.folder, "..", "began");
const image = join(lab.folder, "..", "image");
const says = (word: string, then: string): readonly string[] => [
  "sh",
  "-c",
  `echo x >> ${began}; echo ${word}; echo "${word}!" >&2; ${then}`,
];
const ended: Task = taskRequest(says("ended", "exit 3"));
const cut: Task = taskRequest(says("cut", "exec sleep 600"));
const BEGUN = "x\nx\n";
let draw: Draw;
let host: Subprocess<"ignore", "ignore", "pipe"> | null = null;

type Task = ReturnType<typeof taskRequest>;

beforeAll(async () => {
  draw = seeded(SEED);
  const { agent } = await serving();
  agent.renew();
  for (const request of [ended, cut])
    expect(await agent.start(request)).toMatchObject({ ok: true });
  await agent.phase(ended.attemptId, "exited");
  await lab.until(() => existsSync(began) && readFileSync(began, "utf8") === BEGUN);
  await agent.phase(cut.attemptId, "running");
  agent.disconnect();
  await killHost();
  cpSync(lab.folder, image, { recursive: true, filter: (path) => !path.endsWith(".sock") });
});

afterAll(async () => {
  await killHost();
  await lab.tearDown();
});

/** What only tells people. */
const UNREAD = ["task-host.log"];

const filesUnder = (folder: string): readonly string[] =>
  readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((found) => found.isFile() && !UNREAD.includes(found.name))
    .map((found) => join(found.parentPath, found.name).slice(folder.length + 1))
    .filter((name) => readFileSync(join(folder, name)).length > 0);

describe(`${FLIPS} flipped bits in each file of a task host`, () => {
  test(
    "are survived, or refused with a sentence",
    async () => {
      const outcomes = new Map<string, string>();
      for (const file of filesUnder(image)) {
        const counts = { serves: 0, refuses: 0 };
        for (let at = 0; at < FLIPS; at++) counts[await flipOnce(file)] += 1;
        outcomes.set(file, JSON.stringify(counts));
        if (file !== JOURNAL) expect([file, counts.refuses]).toEqual([file, 0]);
      }

      if (process.env["NL_TALLY"] === "1") console.log(outcomes);
      const names = [...outcomes.keys()].map((name) => name.split("/").at(-1));
      for (const name of [JOURNAL, "lease.json", "task-host.pid", "stdout.head", "stderr.head"]) {
        expect(names).toContain(name);
      }
    },
    FILE_MILLIS,
  );
});

async function flipOnce(file: string): Promise<"serves" | "refuses"> {
  rmSync(lab.folder, { recursive: true, force: true });
  cpSync(image, lab.folder, { recursive: true });
  const { what, bytes } = flipped(new Uint8Array(readFileSync(join(image, file))), draw);
  writeFileSync(join(lab.folder, file), bytes ?? "");
  try {
    const found = await serving().catch(checkRefusal);
    if (found === null) return "refuses";
    await checkServes(found);
    found.agent.disconnect();
    await killHost();
    return "serves";
  } catch (cause) {
    throw new Error(`${file}: ${what} (seed ${SEED}): ${String(cause)}`);
  }
}

class Refusal extends Error {
  readonly code: number;

  constructor(code: number, sentence: string) {
    super(sentence);
    this.code = code;
  }
}

type Serving = { readonly agent: Agent; readonly client: TaskHostClient };

/** An agent of a host that was just started; throws the `Refusal` of one that ended instead. */
async function serving(): Promise<Serving> {
  const script = join(import.meta.dir, "task-host-process.ts");
  const process_ = Bun.spawn([process.execPath, script, lab.folder, "plain", "60000"], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  host = process_;
  await lab.until(() => process_.exitCode !== null || lab.hostPid() === process_.pid);
  if (process_.exitCode !== null) {
    throw new Refusal(process_.exitCode, await new Response(process_.stderr).text());
  }
  const client = lab.connect();
  const agent = new Agent({
    connect: () => client,
    bootMillis: () => lab.bootMillis(),
    until: (holds) => lab.until(holds),
    exits: (code) => lab.exits(code),
    runsOn: lab.runsOn,
    tearDown: () => lab.tearDown(),
  });
  await agent.listed();
  return { agent, client };
}

function checkRefusal(cause: unknown): null {
  if (!(cause instanceof Refusal)) throw cause;
  expect(cause.code).toBe(EXIT_DAMAGED);
  expect(cause.message).toMatch(/^[^\n]+ is damaged at line \d+: [^\n]+\n$/);
  return null;
}

async function checkServes({ agent, client }: Serving): Promise<void> {
  agent.renew();
  expect(await agent.phase(ended.attemptId, "exited")).toMatchObject({
    end: "exited",
    exitCode: 3,
  });
  expect((await agent.phase(cut.attemptId, "exited")).end).toBe("agent-fault");
  for (const request of [ended, cut]) await agent.start(request);
  expect(readFileSync(began, "utf8")).toBe(BEGUN);
  expect(await bytesOf(client, ended, "ended")).toBe("ended\nended!\n".length);
  // How much it wrote is known from what is there only, and its status says so.
  expect(agent.tasks.get(cut.attemptId)?.outputAtLeast).toBe(true);
  expect(await bytesOf(client, cut, "cut")).toBeLessThanOrEqual("cut\ncut!\n".length);
}

/** Of each stream there is what was written or nothing. How much it says was written. */
async function bytesOf(
  client: TaskHostClient,
  { attemptId }: TaskRequest,
  word: string,
): Promise<number> {
  const { signal } = new AbortController();
  const chunks: OutputChunk[] = [];
  const request = { attemptId, offset: 0, tailBytes: 0, follow: false, signal };
  for await (const chunk of client.read(request)) chunks.push(chunk);
  const seen = { stdout: "", stderr: "", none: "" };
  let bytes = 0;
  for (const { stream, data, skippedBytes } of chunks) {
    seen[stream] += new TextDecoder().decode(data);
    bytes += data.length + skippedBytes;
  }
  expect(["", `${word}\n`]).toContain(seen.stdout);
  expect(["", `${word}!\n`]).toContain(seen.stderr);
  return bytes;
}

/** As with the whole node: gone, and its lock with it. */
async function killHost(): Promise<void> {
  host?.kill("SIGKILL");
  await host?.exited;
  host = null;
}
