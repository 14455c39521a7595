import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  chmodSync,
  closeSync,
  cpSync,
  existsSync,
  openSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { Index, Term } from "../lib/ids.ts";
import { initDataDirectory } from "./data-directory.ts";
import {
  entry,
  FOUNDING,
  type HandClock,
  hardState,
  job,
  logIn,
  must,
  newNode,
  openLogIn,
  Scratch,
} from "./log-fixture.ts";
import { readMark } from "./mark-file.ts";
import { SqliteLog } from "./sqlite-log.ts";

let scratch: Scratch;
let clock: HandClock;

beforeEach(() => {
  scratch = new Scratch();
  clock = { millis: 0 };
});
afterEach(() => scratch.remove());

const markOf = (directory: string) => readMark(join(directory, "mark"));

describe("the mark", () => {
  test("names a vote before the vote is reported done (P31)", () => {
    const log = openLogIn(scratch.directory, clock);

    must(log.write([job({ hardState: hardState(7, 1, 1) })]));

    expect(markOf(scratch.directory)).toMatchObject({ term: 7, votedFor: 1 });
    must(log.close());
  });

  test("follows entries within 100 ms, without holding them up", () => {
    const log = openLogIn(scratch.directory, clock);

    must(log.write([job({ entries: [entry(2, 1)] })]));
    expect(markOf(scratch.directory)?.last.index).toBe(1 as Index);
    expect(must(log.tend())).toBe(100);
    clock.millis = 100;
    must(log.tend());

    expect(markOf(scratch.directory)?.last.index).toBe(2 as Index);
    must(log.close());
  });

  test("holds up a write that finds it more than 200 ms behind", () => {
    const log = openLogIn(scratch.directory, clock);
    must(log.write([job({ entries: [entry(2, 1)] })]));

    clock.millis = 200;
    must(log.write([job({ entries: [entry(3, 1)] })]));
    const atLimit = markOf(scratch.directory)?.last.index;
    clock.millis = 201;
    must(log.write([job({ entries: [entry(4, 1)] })]));

    expect(atLimit).toBe(1 as Index);
    expect(markOf(scratch.directory)?.last.index).toBe(4 as Index);
    must(log.close());
  });

  test("is up to date after a close", () => {
    const log = openLogIn(scratch.directory, clock);
    must(log.write([job({ entries: [entry(2, 1)] })]));
    must(log.close());

    expect(markOf(scratch.directory)?.last.index).toBe(2 as Index);
  });

  test("is lowered before a suffix is replaced: a crash in between is no loss", () => {
    const log = openLogIn(scratch.directory, clock);
    must(log.write([job({ entries: [entry(2, 1), entry(3, 1), entry(4, 1)] })]));
    clock.millis = 150;
    must(log.tend());
    const beforeCommit = scratch.copy();
    must(log.write([job({ entries: [entry(3, 2)], hardState: hardState(2, 0, 1) })]));
    const afterCommit = scratch.copy();
    must(log.close());

    // Either database with the mark as it was in between: without its newest slot.
    forgetNewestSlot(join(afterCommit, "mark"));
    cpSync(join(afterCommit, "mark"), join(beforeCommit, "mark"));

    expect(markOf(afterCommit)?.last.index).toBe(2 as Index);
    for (const directory of [beforeCommit, afterCommit]) {
      const rebooted = openLogIn(directory, clock);
      expect(rebooted.damage).toBeNull();
      must(rebooted.close());
    }
  });

  test("covers nothing that is about to go while a snapshot is installed", () => {
    const log = openLogIn(scratch.directory, clock);
    must(log.write([job({ entries: [entry(2, 1), entry(3, 1)] })]));
    const later = { ...FOUNDING, index: 50 as Index, term: 2 as Term, id: "later" };
    must(log.write([job({ snapshot: later, hardState: hardState(2, 0, 50) })]));

    const crashed = openLogIn(scratch.copy(), clock);

    expect(crashed.damage).toBeNull();
    expect(markOf(scratch.directory)?.last.index).toBe(50 as Index);
    must(crashed.close());
    must(log.close());
  });
});

describe("fsync", () => {
  test("a commit index alone is kept for the next transaction", () => {
    const log = openLogIn(scratch.directory, clock);
    must(log.write([job({ entries: [entry(2, 1)], hardState: hardState(1, 1, 1) })]));
    must(log.write([job({ hardState: hardState(1, 1, 2), fsync: false })]));

    const early = logIn(scratch.copy());
    expect(must(early.boot()).hardState?.commit).toBe(1 as Index);
    must(early.close());
    must(log.write([job({ entries: [entry(3, 1)] })]));

    const late = logIn(scratch.copy());
    expect(must(late.boot()).hardState?.commit).toBe(2 as Index);
    must(late.close());
    must(log.close());
  });

  test("an idle log writes down what waited and empties its WAL into the file", () => {
    const log = openLogIn(scratch.directory, clock);
    must(log.write([job({ entries: [entry(2, 1)], hardState: hardState(1, 1, 1) })]));
    must(log.write([job({ hardState: hardState(1, 1, 2), fsync: false })]));
    clock.millis = 1_000;

    expect(must(log.tend())).toBeNull();

    const copy = scratch.copy();
    rmSync(join(copy, "log.sqlite-wal"));
    const without = logIn(copy);
    expect(must(without.boot())).toMatchObject({ lastIndex: 2, damaged: false });
    must(without.close());
    must(log.close());
  });
});

describe("truncation", () => {
  test("takes what a snapshot covers in chunks, and the rest stays readable", () => {
    const log = openLogIn(scratch.directory, clock);
    const entries = Array.from({ length: 5_000 }, (_, at) => entry(at + 2, 1));
    must(log.write([job({ entries })]));
    must(log.recordSnapshot({ ...FOUNDING, index: 4_900 as Index, id: "made-here" }));
    log.truncateBefore(4_800 as Index);

    expect(must(log.tend())).toBe(0);
    expect(must(log.entries(2_002 as Index, 2_003 as Index, 1))).toEqual([entry(2_002, 1)]);
    expect(must(log.entries(2_001 as Index, 2_003 as Index, 1))).toBe("compacted");
    while (must(log.tend()) === 0);

    expect(must(log.entries(4_799 as Index, 4_801 as Index, 1))).toBe("compacted");
    expect(must(log.entries(4_800 as Index, 4_801 as Index, 1))).toEqual([entry(4_800, 1)]);
    const crashed = logIn(scratch.copy());
    expect(must(crashed.boot())).toMatchObject({
      applied: 4_900,
      termRuns: [{ from: 4_800, term: 1 }],
      lastIndex: 5_001,
      damaged: false,
    });
    must(crashed.close());
    must(log.close());
  });
});

describe("a directory that is not ours to open", () => {
  test("of another node is refused with the sentence that says so", () => {
    const expected = { clusterId: "cluster-a", nodeId: "n2" };
    const log = new SqliteLog({
      directory: scratch.directory,
      expected,
      monotonicMillis: () => 0,
    });

    const booted = log.boot();

    expect(booted).toMatchObject({ ok: false, error: { kind: "foreign" } });
    if (!booted.ok) {
      expect(booted.error.detail).toContain(
        "belongs to node n1 of cluster cluster-a, not to n2 of cluster-a; nothing was changed",
      );
    }
    must(openLogIn(scratch.directory).close());
  });

  test("of another cluster is refused, although the node's name is the same (P50)", () => {
    const expected = { clusterId: "cluster-b", nodeId: "n1" };
    const log = new SqliteLog({
      directory: scratch.directory,
      expected,
      monotonicMillis: () => 0,
    });

    expect(log.boot()).toMatchObject({
      error: {
        kind: "foreign",
        detail: expect.stringContaining("of cluster cluster-a, not to n1"),
      },
    });
  });

  test("is refused when it is another database, or another schema", () => {
    const path = join(scratch.directory, "log.sqlite");
    const setPragma = (pragma: string): void => {
      const db = new Database(path);
      db.run(`PRAGMA ${pragma}`);
      db.close();
    };

    setPragma("user_version = 2");
    expect(logIn(scratch.directory).boot()).toMatchObject({
      error: { kind: "foreign", detail: expect.stringContaining("newer nl") },
    });
    setPragma("user_version = 0");
    expect(logIn(scratch.directory).boot()).toMatchObject({
      error: { kind: "corrupt", detail: expect.stringContaining("does not say its schema") },
    });
    setPragma("user_version = 1");
    setPragma("application_id = 7");
    expect(logIn(scratch.directory).boot()).toMatchObject({
      error: { kind: "foreign", detail: expect.stringContaining("not a log of nl") },
    });
  });

  test("is refused when it mixes the files of two nodes", () => {
    const other = join(scratch.root, "n2");
    must(initDataDirectory({ ...newNode("n2"), directory: other }));
    Bun.spawnSync(["cp", join(other, "mark"), join(scratch.directory, "mark")]);

    expect(logIn(scratch.directory).boot()).toMatchObject({
      error: { kind: "foreign", detail: expect.stringContaining("mixes two nodes") },
    });
  });

  test("is refused when there is nothing, or only a mark", () => {
    expect(logIn(join(scratch.root, "nowhere")).boot()).toMatchObject({
      error: { kind: "foreign" },
    });
    rmSync(join(scratch.directory, "log.sqlite"));
    expect(logIn(scratch.directory).boot()).toMatchObject({ error: { kind: "corrupt" } });
  });

  test("is refused while another log of this process holds it, and names the holder", () => {
    const holder = openLogIn(scratch.directory);

    expect(logIn(scratch.directory).boot()).toMatchObject({
      error: { kind: "locked", detail: expect.stringContaining(`process ${process.pid}`) },
    });

    must(holder.close());
    must(openLogIn(scratch.directory).close());
  });
});

describe("privacy and errors", () => {
  test("makes its files private again", () => {
    chmodSync(scratch.directory, 0o755);
    for (const name of ["log.sqlite", "mark"]) chmodSync(join(scratch.directory, name), 0o644);

    const log = openLogIn(scratch.directory);
    must(log.write([job({ entries: [entry(2, 1)] })]));

    const modeOf = (name: string) => statSync(join(scratch.directory, name)).mode & 0o777;
    expect(modeOf(".")).toBe(0o700);
    for (const name of ["log.sqlite", "log.sqlite-wal", "mark", "log.pid", "snapshots/founding"]) {
      expect({ name, mode: modeOf(name) }).toEqual({ name, mode: 0o600 });
    }
    must(log.close());
    expect(existsSync(join(scratch.directory, "log.pid"))).toBe(false);
  });

  test("refuses jobs out of their order as a bug (P52)", () => {
    const log = openLogIn(scratch.directory);
    const first = job({ entries: [entry(2, 1)] });
    must(log.write([job({ hardState: hardState(2, 0, 1) })]));

    expect(() => log.write([first])).toThrow("in the order of their numbers");
    must(log.close());
  });
});

function forgetNewestSlot(path: string): void {
  const sequence = readMark(path)?.sequence ?? 0;
  const fd = openSync(path, "r+");
  writeSync(fd, new Uint8Array(512), 0, 512, (sequence % 2) * 4096);
  closeSync(fd);
}
