import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Index, PeerId, Term } from "../../engine/lib/ids.ts";
import type { Boot, Entry, SnapshotMeta } from "../../engine/raft/types.ts";
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
} from "../../engine/storage/log-fixture.ts";
import { readMark } from "../../engine/storage/mark-file.ts";
import { digestOf, writeSnapshotFile } from "../../engine/storage/snapshot-bytes.ts";
import type { SqliteLog } from "../../engine/storage/sqlite-log.ts";
import { cutOff, flipped, gone, type Harm, zeroedPage, zeroedSector } from "../support/harm.ts";
import { type Draw, seeded } from "../support/seeded.ts";

/**
 * Issue 4: flip any single byte of any file of a stopped node. At the level of the log's opening:
 * it opens whole and equal, or damaged with nothing but what was written, or it is refused with a
 * sentence; and the vote is never forgotten (SEMANTICS S15). `NL_SEED` chooses other places.
 */

const SEED = Number(process.env["NL_SEED"] ?? 20_261_128);
const FLIPS = 200;
const OTHERS = 25;
/** A file system without a disk: nothing here depends on what an fsync does. */
const MEMORY = "/dev/shm";
/** For each of the tests below; alone on the machine they take about two seconds. */
const LIMIT_MILLIS = 30_000;

/** The files of a node's directory at one moment, by name. */
type Image = ReadonlyMap<string, Uint8Array>;

const SNAPSHOT_FILE = "snapshots/made-here";
const FILES = ["log.sqlite", "log.sqlite-wal", "mark", "log.pid", SNAPSHOT_FILE];

/** What was acked and made durable: all that ever stood at an index, the newest last. */
type Truth = { readonly versions: ReadonlyMap<Index, readonly Entry[]>; readonly last: Index };

let scratch: Scratch;
let draw: Draw;
let truth: Truth;
/** At kill -9 with an idle disk; after a clean stop; and long before both. */
let crashed: Image;
let closed: Image;
let older: Image;

beforeAll(() => {
  scratch = new Scratch(existsSync(MEMORY) ? MEMORY : tmpdir());
  draw = seeded(SEED);
  writeHistory();
});
afterAll(() => scratch.remove());

const TERM = 6;
const VOTE = 2;
const COMPACTED = 15;
const SNAPSHOT_BYTES = new TextEncoder().encode("the state at 20 ".repeat(500));
const SNAPSHOT: SnapshotMeta = {
  index: 20 as Index,
  term: 2 as Term,
  id: "made-here",
  conf: { ...FOUNDING.conf, voters: [1, 2, 3] as PeerId[] },
  bytes: SNAPSHOT_BYTES.length,
  sha256: digestOf(SNAPSHOT_BYTES).sha256(),
};

/** Appends, votes, a replaced suffix, a compaction, a checkpoint in the middle; then idle. */
function writeHistory(): void {
  const clock: HandClock = { millis: 0 };
  const log = openLogIn(scratch.directory, clock);
  const versions = new Map<Index, Entry[]>();
  const append = (from: number, to: number, term: number): void => {
    for (let index = from; index <= to; index++) {
      const made = entry(index, term, `entry ${index} of ${term} `.repeat(1 + draw(150)));
      must(log.write([job({ entries: [made], hardState: hardState(term, VOTE, 1) })]));
      versions.set(made.index, [...(versions.get(made.index) ?? []), made]);
    }
  };
  append(2, 12, 1);
  append(13, 40, 2);
  writeSnapshotFile(join(scratch.directory, "snapshots"), SNAPSHOT.id, SNAPSHOT_BYTES);
  must(log.recordSnapshot(SNAPSHOT));
  log.truncateBefore((COMPACTED + 1) as Index);
  settle(log, clock);
  older = read(scratch.copy());
  append(35, 60, 3);
  append(61, 75, TERM - 1);
  must(log.write([job({ hardState: hardState(TERM, VOTE, 70) })]));
  clock.millis += 150;
  must(log.tend());
  crashed = read(scratch.copy());
  must(log.close());
  closed = read(scratch.copy());
  truth = { versions, last: 75 as Index };
}

/** Idle until nothing is left to do: what was in the WAL is in the database. */
function settle(log: SqliteLog, clock: HandClock): void {
  while (must(log.tend()) !== null) clock.millis += 1_000;
}

describe("a file of a stopped node", () => {
  const places = [
    { name: "the database after a clean stop", file: "log.sqlite", image: () => closed },
    { name: "the database under a WAL", file: "log.sqlite", image: () => crashed },
    { name: "the WAL after a crash", file: "log.sqlite-wal", image: () => crashed },
    { name: "the mark", file: "mark", image: () => crashed },
    { name: "the holder's name", file: "log.pid", image: () => crashed },
    { name: "the snapshot", file: SNAPSHOT_FILE, image: () => crashed },
  ] as const;

  for (const { name, file, image } of places) {
    test(
      `${name}: ${FLIPS} flipped bits never pass for a shorter or another log`,
      () => {
        const { outcomes, failures } = tally(repeated(FLIPS, () => harmedBy(flipped)));

        expect(failures).toEqual([]);
        if (file.startsWith("log.sqlite")) expect(outcomes.damaged).toBeGreaterThan(FLIPS / 5);
        if (file === SNAPSHOT_FILE) expect(outcomes.damaged).toBe(FLIPS);
      },
      LIMIT_MILLIS,
    );

    test(
      `${name}: cut off, zeroed or deleted is noticed as well`,
      () => {
        const harms = [cutOff, zeroedSector, zeroedPage].flatMap((harm) =>
          repeated(OTHERS, () => harmedBy(harm)),
        );
        const { failures } = tally([...harms, harmedBy(() => gone)]);

        expect(failures).toEqual([]);
      },
      LIMIT_MILLIS,
    );

    const harmedBy = (harm: (bytes: Uint8Array, draw: Draw) => Harm): Case => {
      const bytes = image().get(file);
      if (bytes === undefined) throw new Error(`${file} is not in the image`);
      const { what, bytes: harmed } = harm(bytes, draw);
      return { what: `${file}: ${what} (seed ${SEED})`, image: replaced(image(), file, harmed) };
    };
  }
});

describe("a file put back from an older copy", () => {
  const replacedBy = (names: readonly string[]): Image =>
    names.reduce((image, name) => replaced(image, name, older.get(name) ?? null), crashed);

  test("of the log is damage, and the vote is the mark's", () => {
    const image = replacedBy(["log.sqlite", "log.sqlite-wal"]);

    expect(outcomeOf({ what: "an older log", image })).toBe("damaged");
  });

  test("of the database alone, beside its newer WAL, never passes for the whole log", () => {
    const image = replacedBy(["log.sqlite"]);

    expect(outcomeOf({ what: "an older database", image })).not.toBe("refused");
  });

  test("of the WAL alone never passes for the whole log", () => {
    const image = replacedBy(["log.sqlite-wal"]);

    expect(outcomeOf({ what: "an older WAL", image })).toBe("damaged");
  });

  test("of the mark is damage when it names what was replaced since: the safe side", () => {
    expect(outcomeOf({ what: "an older mark", image: replacedBy(["mark"]) })).toBe("damaged");
  });

  /** Not to be noticed here: the leader does, since it remembers what this node had acked. */
  test("of all of them opens as the node that it was then", () => {
    const log = lookingAt(put(older));

    expect(must(log.boot())).toMatchObject({ lastIndex: 40, damaged: false });
    must(log.close());
  });
});

type Case = { readonly what: string; readonly image: Image };
type Outcome = "refused" | "damaged" | "whole";

function tally(cases: readonly Case[]) {
  const outcomes = { refused: 0, damaged: 0, whole: 0 };
  const failures: string[] = [];
  for (const one of cases) {
    try {
      outcomes[outcomeOf(one)] += 1;
    } catch (cause) {
      failures.push(cause instanceof Error ? cause.message : String(cause));
    }
  }
  if (process.env["NL_TALLY"] === "1") console.log(cases[0]?.what.split(":")[0], outcomes);
  return { outcomes, failures };
}

const repeated = <T>(count: number, make: (at: number) => T): readonly T[] =>
  Array.from({ length: count }, (_, at) => make(at));

/** Throws, naming the case, when a log passes for what it is not. */
function outcomeOf({ what, image }: Case): Outcome {
  try {
    return judge(put(image));
  } catch (cause) {
    throw new Error(`${what}: ${cause instanceof Error ? cause.message : String(cause)}`);
  }
}

function judge(directory: string): Outcome {
  const log = lookingAt(directory);
  const booted = log.boot();
  if (!booted.ok) {
    expect(["corrupt", "foreign"]).toContain(booted.error.kind);
    // One sentence, which says what is safe, and nothing of the program's insides.
    expect(booted.error.detail).toMatch(/^[^\n]+$/);
    expect(booted.error.detail).toMatch(/keep (the directory|it)|choose another|start it with/);
    expect(booted.error.detail).not.toMatch(/\.ts:\d+/);
    return "refused";
  }
  checkBoot(booted.value, log, readMark(join(directory, "mark"))?.last.index ?? 0);
  must(log.close());
  return booted.value.damaged ? checkRemembers(directory) : "whole";
}

function checkBoot(boot: Boot, log: SqliteLog, marked: number): void {
  expect(boot.hardState).toMatchObject({ term: TERM, votedFor: VOTE });
  expect(boot.lastIndex).toBeLessThanOrEqual(truth.last);
  expect(boot.lastIndex).toBeGreaterThanOrEqual(marked);
  if (!boot.damaged) {
    expect(boot.lastIndex).toBe(truth.last);
    expect(boot.snapshot).toEqual(SNAPSHOT);
  }
  const first = Math.max(COMPACTED, boot.snapshot?.index ?? 0) + 1;
  const found = must(log.entries(first as Index, (boot.lastIndex + 1) as Index, 1e9));
  if (found === "compacted") throw new Error("what the snapshot does not cover is compacted");
  expect(found.map(({ index }) => index)).toEqual([...indexes(first, boot.lastIndex)]);
  for (const one of found) {
    const versions = truth.versions.get(one.index) ?? [];
    const possible = boot.damaged ? versions : versions.slice(-1);
    expect(possible.some((written) => isSame(written, one))).toBe(true);
  }
}

/** As a node opens it: its snapshot must be whole, too. */
const lookingAt = (directory: string): SqliteLog =>
  logIn(directory, { millis: 0 }, "must-be-whole");

const isSame = (a: Entry, b: Entry): boolean =>
  a.term === b.term && a.kind === b.kind && Buffer.compare(a.data, b.data) === 0;

const indexes = (from: number, to: number): readonly Index[] =>
  repeated(Math.max(0, to + 1 - from), (at) => (from + at) as Index);

/** A damaged log stays so, with its vote, until its node has been repaired. */
function checkRemembers(directory: string): Outcome {
  const log = lookingAt(directory);
  const again = must(log.boot());
  must(log.close());
  expect(again).toMatchObject({ damaged: true, hardState: { term: TERM, votedFor: VOTE } });
  return "damaged";
}

function read(directory: string): Image {
  return new Map(FILES.flatMap((name) => readIfThere(directory, name)));
}

function readIfThere(directory: string, name: string): readonly (readonly [string, Uint8Array])[] {
  try {
    return [[name, new Uint8Array(readFileSync(join(directory, name)))]];
  } catch {
    return [];
  }
}

function replaced(image: Image, name: string, bytes: Uint8Array | null): Image {
  const changed = new Map(image);
  if (bytes === null) changed.delete(name);
  else changed.set(name, bytes);
  return changed;
}

/** A directory with exactly these files. */
function put(image: Image): string {
  const directory = join(scratch.root, "harmed");
  rmSync(directory, { recursive: true, force: true });
  for (const [name, bytes] of image) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, bytes);
  }
  return directory;
}
