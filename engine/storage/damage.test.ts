import { Database } from "bun:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  cpSync,
  existsSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Index, PeerId, Term } from "../lib/ids.ts";
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
import { readMark } from "./mark-file.ts";
import { nodeFiles } from "./node-files.ts";
import { digestOf, writeSnapshotFile } from "./snapshot-bytes.ts";

/** DESIGN, Log store; SEMANTICS S15: what was lost is noticed, and a torn tail is no loss. */

let scratch: Scratch;
let clock: HandClock;

beforeEach(() => {
  scratch = new Scratch();
  clock = { millis: 0 };
});
afterEach(() => scratch.remove());

const WRITES = 40;
const LAST = WRITES + 1;
const text = (index: number): string => `entry ${index} `.repeat(20);

type Options = { readonly isMarked: boolean; readonly isClosed?: boolean };

/** Forty acked writes of one entry each, in term 3 with a vote for peer 2, then a crash. */
function crashedLog(options: Options): string {
  const log = openLogIn(scratch.directory, clock);
  must(log.write([job({ hardState: hardState(3, 2, 1) })]));
  for (let index = 2; index <= LAST; index++) {
    must(log.write([job({ entries: [entry(index, 3, text(index))] })]));
  }
  if (options.isMarked) {
    clock.millis += 150;
    must(log.tend());
  }
  if (options.isClosed === true) must(log.close());
  const crashed = scratch.copy();
  if (options.isClosed !== true) must(log.close());
  return crashed;
}

function flip(path: string, at: number, mask = 0x10): void {
  const bytes = readFileSync(path);
  bytes[at] = (bytes[at] ?? 0) ^ mask;
  writeFileSync(path, bytes);
}

/** One other byte in an entry, where a flip in a page of the file could also hit a free cell. */
function rotEntry(directory: string, index: number): void {
  const db = new Database(files(directory).log);
  db.run("UPDATE entries SET data = CAST('f' || substr(data, 2) AS BLOB) WHERE idx = ?", [index]);
  db.close();
}

const files = (directory: string) => ({
  log: join(directory, "log.sqlite"),
  wal: join(directory, "log.sqlite-wal"),
  mark: join(directory, "mark"),
  damaged: join(directory, "log.damaged.sqlite"),
});

describe("a crash alone", () => {
  test("loses nothing that was acked and is no damage", () => {
    const log = logIn(crashedLog({ isMarked: false }));

    expect(must(log.boot())).toMatchObject({
      hardState: { term: 3, votedFor: 2 },
      lastIndex: LAST,
      damaged: false,
    });
    must(log.close());
  });

  test("that tore the last transaction, which the mark does not know, cuts it off", () => {
    const directory = crashedLog({ isMarked: false });
    const { wal } = files(directory);

    truncateSync(wal, statSync(wal).size - 100);
    const log = logIn(directory);

    expect(must(log.boot())).toMatchObject({ lastIndex: LAST - 1, damaged: false });
    must(log.close());
  });
});

describe("a byte that rots", () => {
  test("in the middle of the WAL is damage, even while the mark is far behind", () => {
    const directory = crashedLog({ isMarked: false });
    const { wal } = files(directory);
    expect(readMark(files(directory).mark)?.last.index).toBe(1 as Index);

    flip(wal, Math.floor(statSync(wal).size / 2));
    const log = logIn(directory);
    const boot = must(log.boot());

    expect(log.damage).toBe("wal-cut-short");
    expect(boot.damaged).toBe(true);
    expect(boot.lastIndex).toBeLessThan(LAST);
    must(log.close());
  });

  test("in the header of the WAL is damage", () => {
    const directory = crashedLog({ isMarked: false });
    flip(files(directory).wal, 17);

    const log = openLogIn(directory);

    expect(log.damage).toBe("wal-cut-short");
    must(log.close());
  });

  test("in the last transaction is damage once the mark knows it", () => {
    const directory = crashedLog({ isMarked: true });
    const { wal } = files(directory);
    flip(wal, statSync(wal).size - 100);

    const log = openLogIn(directory);

    expect(log.damage).toBe("mark-not-in-log");
    must(log.close());
  });

  test("in an entry's bytes cuts the log before it", () => {
    const directory = crashedLog({ isMarked: true, isClosed: true });
    rotEntry(directory, 20);

    const log = logIn(directory);
    const boot = must(log.boot());

    expect(log.damage).toBe("chain-broken");
    expect(boot).toMatchObject({ lastIndex: 19, damaged: true });
    expect(existsSync(files(directory).damaged)).toBe(true);
    expect(must(log.entries(19 as Index, 99 as Index, 1e6))).toEqual([entry(19, 3, text(19))]);
    must(log.close());
  });

  test("in both slots of the mark is damage; the vote is still in the log", () => {
    const directory = crashedLog({ isMarked: true });
    flip(files(directory).mark, 20);
    flip(files(directory).mark, 4096 + 20);

    const log = logIn(directory);
    const boot = must(log.boot());

    expect(log.damage).toBe("no-mark");
    expect(boot).toMatchObject({ hardState: { term: 3, votedFor: 2 }, damaged: true });
    must(log.close());
  });

  test("a mark that is gone is damage too", () => {
    const directory = crashedLog({ isMarked: true });
    rmSync(files(directory).mark);

    const log = openLogIn(directory);

    expect(log.damage).toBe("no-mark");
    must(log.close());
  });
});

describe("a database put back from an old copy", () => {
  test("is damage, and the newer vote of the mark counts", () => {
    const log = openLogIn(scratch.directory, clock);
    must(log.write([job({ entries: [entry(2, 1)] })]));
    const old = scratch.copy();
    must(log.write([job({ entries: [entry(3, 1)], hardState: hardState(9, 3, 1) })]));
    must(log.close());
    const { mark } = files(scratch.directory);
    writeFileSync(files(old).mark, readFileSync(mark));

    const restored = logIn(old);
    const boot = must(restored.boot());

    expect(boot).toMatchObject({ hardState: { term: 9, votedFor: 3 }, damaged: true });
    must(restored.close());
    const again = logIn(old);
    expect(must(again.boot())).toMatchObject({ hardState: { term: 9, votedFor: 3 } });
    must(again.close());
  });
});

describe("damage", () => {
  function damagedDirectory(): string {
    const directory = crashedLog({ isMarked: true });
    const { wal } = files(directory);
    flip(wal, Math.floor(statSync(wal).size / 2));
    return directory;
  }

  test("is remembered over restarts, also when the log has grown again", () => {
    const directory = damagedDirectory();
    const first = logIn(directory);
    const { lastIndex } = must(first.boot());
    const refill = Array.from({ length: LAST + 10 - lastIndex }, (_, at) =>
      entry(lastIndex + 1 + at, 3),
    );
    must(first.write([job({ entries: refill, hardState: hardState(3, 2, LAST + 10) })]));
    must(first.close());

    const second = logIn(directory);

    expect(must(second.boot())).toMatchObject({ lastIndex: LAST + 10, damaged: true });
    expect(second.damage).toBe("not-yet-repaired");
    must(second.close());
  });

  test("ends when a newer term's leader has committed an entry of its own term here", () => {
    const directory = damagedDirectory();
    const first = logIn(directory);
    const { lastIndex } = must(first.boot());
    const own = lastIndex + 1;
    must(first.write([job({ entries: [entry(own, 4)], hardState: hardState(4, 3, lastIndex) })]));
    expect(readMark(files(directory).mark)?.damagedTerm).not.toBeNull();

    must(first.write([job({ hardState: hardState(4, 3, own) })]));
    const crashed = scratchCopyOf(directory);
    must(first.close());

    const second = logIn(crashed);
    expect(must(second.boot())).toMatchObject({ lastIndex: own, damaged: false });
    must(second.close());
  });

  test("overwrites what it could not read", () => {
    const directory = crashedLog({ isMarked: true, isClosed: true });
    rotEntry(directory, 20);
    const log = openLogIn(directory);

    must(log.write([job({ entries: [entry(20, 4)], hardState: hardState(4, 3, 20) })]));
    must(log.close());

    const reopened = logIn(directory);
    expect(must(reopened.boot())).toMatchObject({ lastIndex: 20, damaged: false });
    must(reopened.close());
    expect(existsSync(files(directory).damaged)).toBe(false);
  });

  const scratchCopyOf = (directory: string): string => {
    const copy = join(scratch.root, "crashed-again");
    cpSync(directory, copy, { recursive: true });
    return copy;
  };
});

describe("a snapshot file that rots", () => {
  const VOTERS = [1, 2, 3] as PeerId[];

  /** Acked entries after a snapshot of these voters, whose file is on the disk. */
  function logAfterSnapshot(voters: readonly PeerId[]): string {
    const bytes = new TextEncoder().encode("the state at 20");
    const sha256 = digestOf(bytes).sha256();
    const position = { index: 20 as Index, term: 3 as Term };
    const conf = { ...FOUNDING.conf, voters };
    const snapshot = { ...position, conf, id: "made-here", bytes: bytes.length, sha256 };
    const directory = crashedLog({ isMarked: true, isClosed: true });
    const log = openLogIn(directory, clock);
    writeSnapshotFile(nodeFiles(directory).snapshots, snapshot.id, bytes);
    must(log.recordSnapshot(snapshot));
    must(log.close());
    return directory;
  }

  const snapshotOf = (directory: string): string =>
    join(nodeFiles(directory).snapshots, "made-here");

  const lookingAt = (directory: string) => logIn(directory, clock, "must-be-whole");

  test("leaves nothing of the log but its vote, as damage, and the old log beside it", () => {
    const directory = logAfterSnapshot(VOTERS);
    flip(snapshotOf(directory), 3);

    for (const damage of ["snapshot-lost", "not-yet-repaired"] as const) {
      const log = lookingAt(directory);
      expect(must(log.boot())).toMatchObject({
        hardState: { term: 3, votedFor: 2, commit: 0 },
        snapshot: null,
        lastIndex: 0,
        damaged: true,
      });
      expect(log.damage).toBe(damage);
      must(log.close());
    }
    expect(existsSync(files(directory).damaged)).toBe(true);
    expect(existsSync(snapshotOf(directory))).toBe(true);
  });

  test("that is gone altogether is the same damage", () => {
    const directory = logAfterSnapshot(VOTERS);
    rmSync(snapshotOf(directory));
    const log = lookingAt(directory);

    expect(must(log.boot())).toMatchObject({ lastIndex: 0, damaged: true });
    must(log.close());
  });

  test("under the only voter changes nothing: there is nobody to get it from", () => {
    const directory = logAfterSnapshot([1 as PeerId]);
    flip(snapshotOf(directory), 3);
    const log = lookingAt(directory);

    expect(must(log.boot())).toMatchObject({ lastIndex: LAST, damaged: false });
    must(log.close());
  });

  test("and one that is whole is no damage", () => {
    const log = lookingAt(logAfterSnapshot(VOTERS));

    expect(must(log.boot())).toMatchObject({ lastIndex: LAST, damaged: false });
    must(log.close());
  });
});
