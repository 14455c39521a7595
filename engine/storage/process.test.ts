import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import type { Index } from "../lib/ids.ts";
import type { Done } from "../platform/completion.ts";
import type { LogStore, StorageError } from "../platform/log-store.ts";
import { entry, FOUNDING, hardState, job, logIn, must, openLogIn, Scratch } from "./log-fixture.ts";
import { WorkerLogStore } from "./worker-log-store.ts";

/** What the death, the rivalry and the full disk of real processes do to a log. */

const WRITER = fileURLToPath(import.meta.resolve("./writer-fixture.ts"));
const KILLS = 5;
const ACKS_BEFORE_KILL = 150;

let scratch: Scratch;

beforeEach(() => {
  scratch = new Scratch();
});
afterEach(() => scratch.remove());

test("kill -9 of a writing process loses nothing that was acked", async () => {
  for (let kill = 0; kill < KILLS; kill++) {
    const writer = startWriter([process.execPath, WRITER, scratch.directory]);
    const acked = await writer.until((lines) => lines.length > ACKS_BEFORE_KILL + kill * 37);
    await writer.kill();
    const last = lastAcked([...acked, ...(await writer.rest())]);

    const log = logIn(scratch.directory);
    const boot = must(log.boot());
    must(log.close());

    expect(acked[0]).toEndWith("whole");
    expect(boot.damaged).toBe(false);
    expect(boot.lastIndex).toBeGreaterThanOrEqual(last.index);
    expect(boot.hardState?.term).toBeGreaterThanOrEqual(last.term);
    expect(boot.hardState?.votedFor).toBe(1 as never);
  }
}, 30_000);

test("kill -9 of a process that compacts its log costs nothing but the compaction", async () => {
  const covered = 24_000;
  const log = openLogIn(scratch.directory);
  const entries = Array.from({ length: covered + 100 }, (_, at) => entry(at + 2, 1, "e"));
  must(log.write([job({ entries, hardState: hardState(1, 1, covered) })]));
  must(log.recordSnapshot({ ...FOUNDING, index: covered as Index, id: "made-here" }));
  must(log.close());
  const firsts: number[] = [];

  for (let kill = 0; kill < KILLS; kill++) {
    const before = String(covered - 10);
    const writer = startWriter([process.execPath, WRITER, scratch.directory, "100", before]);
    const lines = await writer.until((said) => said.length > 1 + kill * 2);
    await writer.kill();
    const last = lastAcked([...lines, ...(await writer.rest())]);
    const crashed = logIn(scratch.directory);
    const boot = must(crashed.boot());
    must(crashed.close());

    expect(boot).toMatchObject({ damaged: false, applied: covered });
    expect(boot.lastIndex).toBeGreaterThanOrEqual(Math.max(last.index, covered + 101));
    firsts.push(boot.termRuns[0]?.from ?? 0);
  }

  expect(firsts).toEqual([...firsts].sort((x, y) => x - y));
  expect(firsts.at(-1)).toBeGreaterThan(2);
  expect(firsts.at(-1)).toBeLessThanOrEqual(covered - 10);
}, 30_000);

test("a second process is refused and told who the first is; the lock dies with it", async () => {
  const writer = startWriter([process.execPath, WRITER, scratch.directory]);
  await writer.until((lines) => lines.length > 0);

  const refused = await bootOf(
    new WorkerLogStore({ directory: scratch.directory, expected: null }),
  );

  expect(refused).toMatchObject({
    kind: "locked",
    detail: expect.stringContaining(`is in use by process ${writer.pid}`),
  });
  await writer.kill();
  must(openLogIn(scratch.directory).close());
}, 15_000);

describe("a disk that is full", () => {
  test("ends the log with an error, and keeps what was acked", async () => {
    // A limit on the size of files does what a full disk does: a write fails (SQLITE_IOERR, FULL).
    const program = `"${process.execPath}" "${WRITER}" "${scratch.directory}" 2000`;
    const limited = `trap "" XFSZ; ulimit -f 400; exec ${program}`;
    const writer = startWriter(["sh", "-c", limited]);
    const lines = await writer.rest();
    const last = lastAcked(lines);

    expect(lines.at(-1)).toMatch(/^failed (io|full)$/);
    const log = logIn(scratch.directory);
    const boot = must(log.boot());
    expect(boot.damaged).toBe(false);
    expect(last.index).toBeGreaterThan(10);
    expect(boot.lastIndex).toBeGreaterThanOrEqual(last.index);
    must(log.close());
  }, 15_000);
});

describe("the worker", () => {
  test("refuses everything after it was closed", async () => {
    const store = new WorkerLogStore({ directory: scratch.directory, expected: null });
    expect(await bootOf(store)).toBeNull();
    await new Promise<void>((resolve) => store.close(() => resolve()));

    const refusal = await new Promise((resolve) => {
      store.write(job({ entries: [entry(2, 1)] }), resolve);
    });

    expect(refusal).toMatchObject({ ok: false, error: { kind: "io" } });
  });

  test("turns a bug in its thread into an error for everybody who waits", async () => {
    const store = new WorkerLogStore({ directory: scratch.directory, expected: null });
    expect(await bootOf(store)).toBeNull();

    const details = await Promise.all([
      detailOf((done) => store.write(job({ entries: [entry(9, 1)] }), done)),
      detailOf((done) => store.entries(2 as Index, 3 as Index, 1, done)),
    ]);

    const bug = "the thread of the log failed: entries leave no gap in the log";
    expect(details).toEqual([
      `${bug} (a bug: please report it)`,
      `${bug} (a bug: please report it)`,
    ]);
  });
});

/** The sentence of the error that something was answered with. */
function detailOf<T>(ask: (done: Done<T, StorageError>) => void): Promise<string | null> {
  return new Promise((resolve) => {
    ask((result) => resolve(result.ok ? null : result.error.detail));
  });
}

function bootOf(store: LogStore): Promise<StorageError | null> {
  return new Promise((resolve) => {
    store.boot((result) => resolve(result.ok ? null : result.error));
  });
}

function lastAcked(lines: readonly string[]): { readonly index: number; readonly term: number } {
  const last = lines.findLast((line) => line.startsWith("acked"));
  const [, index = "0", term = "0"] = (last ?? "").split(" ");
  return { index: Number(index), term: Number(term) };
}

function startWriter(command: readonly string[]) {
  const child = Bun.spawn([...command], { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.getReader();
  const decoder = new TextDecoder();
  let unfinished = "";
  const more = async (): Promise<readonly string[] | null> => {
    const { value, done } = await reader.read();
    if (done) return null;
    const lines = (unfinished + decoder.decode(value)).split("\n");
    unfinished = lines.pop() ?? "";
    return lines;
  };
  const until = async (isEnough: (lines: readonly string[]) => boolean) => {
    const lines: string[] = [];
    while (!isEnough(lines)) {
      const next = await more();
      if (next === null) break;
      lines.push(...next);
    }
    return lines;
  };
  return {
    pid: child.pid,
    until,
    /** Everything that was said until the end. */
    rest: () => until(() => false),
    async kill(): Promise<void> {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}
