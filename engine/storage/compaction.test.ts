import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { cpSync, existsSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Index, Term } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import {
  entry,
  FOUNDING,
  type HandClock,
  hardState,
  job,
  logIn,
  must,
  openLogIn,
  Scratch,
} from "./log-fixture.ts";
import { digestOf } from "./snapshot-bytes.ts";
import { SnapshotFiles } from "./snapshot-files.ts";
import type { SqliteLog } from "./sqlite-log.ts";

/** Snapshots and the log together: what a crash leaves is always one of the two states. */

let scratch: Scratch;
let clock: HandClock;

beforeEach(() => {
  scratch = new Scratch();
  clock = { millis: 0 };
});
afterEach(() => scratch.remove());

const BYTES = new TextEncoder().encode("the state at some index, as some node wrote it");
const snapshotAt = (index: number, term: number): SnapshotMeta => ({
  ...FOUNDING,
  index: index as Index,
  term: term as Term,
  id: `n2-${term}-${index}`,
  bytes: BYTES.length,
  sha256: digestOf(BYTES).sha256(),
});

const asked = <T>(ask: (done: Done<T, StorageError>) => void) =>
  new Promise<Result<T, StorageError>>((resolve) => ask(resolve));

const filesIn = (directory: string) => new SnapshotFiles(join(directory, "snapshots"));

const COUNT = 9_000;

/** A log of 9,000 entries, far ahead of its mark; a snapshot made here goes up to `covered`. */
function longLog(covered: number): SqliteLog {
  const log = openLogIn(scratch.directory, clock);
  const entries = Array.from({ length: COUNT }, (_, at) => entry(at + 2, 1 + (at >> 12)));
  must(log.write([job({ hardState: hardState(3, 1, 1) })]));
  must(log.write([job({ entries })]));
  must(log.recordSnapshot(snapshotAt(covered, 1 + ((covered - 2) >> 12))));
  return log;
}

/** What a process finds that starts on what a crash left. */
function bootAfterCrash(directory = scratch.copy()) {
  const log = logIn(directory);
  const { snapshot, lastIndex, termRuns, damaged } = must(log.boot());
  const first = Number(termRuns[0]?.from);
  const kept = must(log.entries(first as Index, (lastIndex + 1) as Index, 1e9));
  must(log.close());
  const length = kept === "compacted" ? 0 : kept.length;
  return { snapshot: Number(snapshot?.index), first, length, damaged };
}

describe("compaction", () => {
  test("leaves a whole log behind every chunk, down to the tail that is kept", () => {
    const log = longLog(8_000);
    log.truncateBefore(7_900 as Index);
    const firsts: number[] = [];

    for (let next: number | null = 0; next === 0; next = must(log.tend())) {
      const crashed = bootAfterCrash();
      expect(crashed).toMatchObject({ snapshot: 8_000, damaged: false });
      expect(crashed.first + crashed.length).toBe(COUNT + 2);
      firsts.push(crashed.first);
    }

    firsts.push(bootAfterCrash().first);
    expect([...new Set(firsts)]).toEqual([2, 2_002, 4_002, 6_002, 7_900]);
    must(log.close());
  });

  test("survives a crash between the mark and the chunk, and one that lost the chunk", () => {
    const log = longLog(8_000);
    log.truncateBefore(7_900 as Index);
    for (let next: number | null = 0; next === 0; ) {
      const before = scratch.copy();
      next = must(log.tend());
      // The mark goes first: this is the database of before beside the mark of after.
      cpSync(join(scratch.directory, "mark"), join(before, "mark"));
      expect(bootAfterCrash(before)).toMatchObject({ snapshot: 8_000, damaged: false });
    }
    must(log.close());
  });

  test("never passes the recorded snapshot, whatever is asked for", () => {
    const log = longLog(5_000);

    log.truncateBefore(9_001 as Index);
    while (must(log.tend()) === 0);

    expect(must(log.entries(5_000 as Index, 5_001 as Index, 1))).toBe("compacted");
    expect(must(log.entries(5_001 as Index, 5_002 as Index, 1))).toHaveLength(1);
    expect(bootAfterCrash()).toEqual({
      snapshot: 5_000,
      first: 5_001,
      length: COUNT + 1 - 5_000,
      damaged: false,
    });
    must(log.close());
  });

  test("goes on where the last one ended after a restart that forgot it", () => {
    const log = longLog(8_000);
    log.truncateBefore(7_900 as Index);
    must(log.tend());
    must(log.close());

    const next = openLogIn(scratch.directory, clock);
    next.truncateBefore(7_900 as Index);
    while (must(next.tend()) === 0);

    expect(must(next.entries(7_899 as Index, 7_900 as Index, 1))).toBe("compacted");
    expect(must(next.entries(7_900 as Index, 7_901 as Index, 1))).toHaveLength(1);
    must(next.close());
  });

  test("lets entries be written and replaced between two chunks", () => {
    const log = longLog(5_000);
    log.truncateBefore(5_001 as Index);
    must(log.tend());
    must(log.write([job({ entries: [entry(8_000, 4)], hardState: hardState(4, 0, 5_000) })]));
    while (must(log.tend()) === 0);

    expect(bootAfterCrash()).toMatchObject({ first: 5_001, length: 3_000, damaged: false });
    must(log.close());
  });
});

describe("a snapshot from a leader", () => {
  const sent = snapshotAt(20_000, 7);

  /** Every moment of an installation, each as a crash would leave it. */
  async function moments(): Promise<readonly string[]> {
    const log = openLogIn(scratch.directory, clock);
    must(log.write([job({ entries: [entry(2, 1), entry(3, 1)], hardState: hardState(1, 1, 2) })]));
    const files = filesIn(scratch.directory);
    const copies = [scratch.copy()];
    const piece = (from: number, to: number) =>
      asked<void>((done) => files.receive(sent, from, BYTES.subarray(from, to), done));
    must(await piece(0, 10));
    copies.push(scratch.copy());
    must(await piece(10, BYTES.length));
    copies.push(scratch.copy());
    must(await asked<void>((done) => files.verify(sent, done)));
    copies.push(scratch.copy());
    must(log.write([job({ snapshot: sent, hardState: hardState(7, 0, 20_000) })]));
    copies.push(scratch.copy());
    files.keepOnly([sent.id]);
    must(await asked<number>((done) => files.received(sent, done)));
    copies.push(scratch.copy());
    must(log.close());
    return copies;
  }

  test("is there whole, or the one before it is, wherever a crash comes", async () => {
    const found: (string | undefined)[] = [];

    for (const directory of await moments()) {
      const log = logIn(directory);
      const { snapshot, damaged } = must(log.boot());
      must(log.close());
      expect(damaged).toBe(false);
      if (snapshot === null) throw new Error("a node boots with a snapshot");
      must(
        await asked<Uint8Array>((done) =>
          filesIn(directory).readChunk(snapshot, 0, snapshot.bytes, done),
        ),
      );
      found.push(snapshot.id);
    }

    const [old, now] = [FOUNDING.id, sent.id];
    expect(found).toEqual([old, old, old, old, now, now]);
  });

  test("leaves no file that nothing names once the node has started again", async () => {
    const left: string[][] = [];

    for (const directory of await moments()) {
      must(openLogIn(directory).close());
      left.push(readdirSync(join(directory, "snapshots")).sort());
    }

    const [old, now] = [FOUNDING.id, sent.id];
    const part = `${sent.id}.part`;
    expect(left).toEqual([[old], [old, part].sort(), [old, part].sort(), [old], [now], [now]]);
  });
});

describe("a start", () => {
  const folder = () => join(scratch.directory, "snapshots");

  test("removes unnamed snapshots, and keeps what a transfer has brought", () => {
    for (const name of ["old", "made.tmp", "coming.part"]) writeFileSync(join(folder(), name), "x");

    must(openLogIn(scratch.directory).close());

    expect(readdirSync(folder()).sort()).toEqual(["coming.part", FOUNDING.id]);
  });

  test("removes nothing while the log is damaged: it may name an old one", () => {
    writeFileSync(join(folder(), "newer"), "x");
    rmSync(join(scratch.directory, "mark"));

    must(openLogIn(scratch.directory).close());

    expect(existsSync(join(folder(), "newer"))).toBe(true);
  });
});
