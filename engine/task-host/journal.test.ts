import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { flipped } from "../../tests/support/harm.ts";
import { seeded } from "../../tests/support/seeded.ts";
import type { AttemptId, UnixMillis } from "../lib/ids.ts";
import { SPEC_DEFAULTS } from "../lib/job-spec.ts";
import type { TaskRequest, TaskStatus } from "../platform/task-host.ts";
import { Journal } from "./journal.ts";

let folder = "";
let path = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nl-journal-"));
  path = join(folder, "tasks.journal");
});
afterEach(async () => {
  for (const journal of open.splice(0)) await journal.close();
  rmSync(folder, { recursive: true, force: true });
});

const open: Journal[] = [];

const at = 1 as UnixMillis;

function request(attemptId: string, padding = ""): TaskRequest {
  const spec = {
    ...SPEC_DEFAULTS,
    name: "",
    command: ["true"],
    image: "",
    env: { padding },
    labels: {},
  };
  return { attemptId: attemptId as AttemptId, fence: 1, clusterId: "c", spec };
}

const exited = (attemptId: string) =>
  ({
    attemptId: attemptId as AttemptId,
    phase: "exited",
    end: "exited",
    exitCode: 3,
  }) as TaskStatus;

async function opened(): Promise<Journal> {
  const result = await Journal.open(path);
  if (!result.ok) throw new Error(result.error.detail);
  open.push(result.value);
  return result.value;
}

test("remembers what was accepted and started", async () => {
  const journal = await opened();
  const attemptId = "a.1" as AttemptId;
  await journal.append({ kind: "intent", request: request("a.1"), at });
  await journal.append({ kind: "started", attemptId, driver: "plain", at });

  expect((await opened()).tasks.get(attemptId)).toMatchObject({
    kind: "unfinished",
    request: { fence: 1, spec: { command: ["true"] } },
    started: { driver: "plain" },
  });
});

test("remembers how a task ended, and no longer what it was", async () => {
  const journal = await opened();
  await journal.append({ kind: "intent", request: request("a.1"), at });
  await journal.append({ kind: "exit", status: exited("a.1") });

  const task = (await opened()).tasks.get("a.1" as AttemptId);

  expect(task).toEqual({ kind: "finished", status: exited("a.1") });
});

test("forgets what was removed", async () => {
  const journal = await opened();
  await journal.append({ kind: "intent", request: request("a.1"), at });
  await journal.append({ kind: "removed", attemptId: "a.1" as AttemptId });

  expect((await opened()).tasks.size).toBe(0);
});

const FLIPS = 200;

test(`forgets no attempt over ${FLIPS} flipped bits: it is whole, or damaged`, async () => {
  const journal = await opened();
  for (const name of ["a", "b", "c"]) {
    await journal.append({ kind: "intent", request: request(name), at });
    await journal.append({ kind: "exit", status: exited(name) });
  }
  await journal.append({ kind: "intent", request: request("d"), at });
  const original = new Uint8Array(readFileSync(path));
  const draw = seeded(20_261_128);
  let damaged = 0;

  for (let one = 0; one < FLIPS; one++) {
    // Every tenth in the last record, where a crash would look alike.
    const start = one % 10 === 0 ? original.lastIndexOf(0x0a, original.length - 2) + 1 : 0;
    const { bytes } = flipped(original.subarray(start), draw);
    writeFileSync(path, Buffer.concat([original.subarray(0, start), bytes ?? new Uint8Array()]));
    const result = await Journal.open(path);
    if (!result.ok) damaged += 1;
    else expect(result.value.tasks).toEqual(journal.tasks);
  }

  expect(damaged).toBeGreaterThan(FLIPS / 2);
});

test("drops a torn last line", async () => {
  const journal = await opened();
  await journal.append({ kind: "intent", request: request("a.1"), at });
  appendFileSync(path, '0badc0de {"kind":"in');

  const after = await opened();
  await after.append({ kind: "intent", request: request("a.2"), at });

  expect([...(await opened()).tasks.keys()] as string[]).toEqual(["a.1", "a.2"]);
});

test("refuses a file with a flipped byte in the middle", async () => {
  const journal = await opened();
  await journal.append({ kind: "intent", request: request("a.1"), at });
  await journal.append({ kind: "intent", request: request("a.2"), at });
  const bytes = readFileSync(path);
  bytes[20] = (bytes[20] ?? 0) ^ 1;
  writeFileSync(path, bytes);

  const result = await Journal.open(path);

  expect(result).toMatchObject({ ok: false, error: { kind: "damaged" } });
});

test("writes many waiting records with few syncs, in order", async () => {
  const journal = await opened();
  const ids = Array.from({ length: 200 }, (_, i) => `a.${i}`);

  await Promise.all(ids.map((id) => journal.append({ kind: "intent", request: request(id), at })));

  expect([...(await opened()).tasks.keys()] as string[]).toEqual(ids);
});

test("stays small however many tasks come and go", async () => {
  const journal = await opened();
  const padding = "x".repeat(64 * 1024);
  for (let i = 0; i < 200; i++) {
    await journal.append({ kind: "intent", request: request(`a.${i}`, padding), at });
    await journal.append({ kind: "removed", attemptId: `a.${i}` as AttemptId });
  }

  expect(statSync(path).size).toBeLessThan(5 * 1024 * 1024);
});

test("says so when the disk refuses, and is complete once it works again", async () => {
  const journal = await opened();
  await journal.append({ kind: "intent", request: request("a.1"), at });
  await journal.close();
  rmSync(folder, { recursive: true });

  const refused = await journal.append({ kind: "intent", request: request("a.2"), at });
  folder = mkdtempSync(join(tmpdir(), "nl-journal-"));
  expect(refused).toBe(false);
});
