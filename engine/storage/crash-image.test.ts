import { afterAll, beforeAll, expect, test } from "bun:test";
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Draw, seeded } from "../../tests/support/seeded.ts";
import { entry, type HandClock, job, logIn, must, openLogIn, Scratch } from "./log-fixture.ts";

/**
 * P30: a torn tail is no corruption, and corruption no torn tail. The WAL is taken after every
 * write of a workload; what a crash makes of the last, unfinished write is mixed from two of them.
 */

const SEED = 20_261_128;
const WRITES = 60;
const CASES = 60;
const SECTOR_BYTES = 512;

let scratch: Scratch;
/** The WAL after the write of entry `index`, and the directory when it was last checkpointed. */
let wals: { readonly wal: Uint8Array; readonly directory: string }[];

beforeAll(() => {
  scratch = new Scratch();
  const draw = seeded(SEED);
  const clock: HandClock = { millis: 0 };
  const log = openLogIn(scratch.directory, clock);
  let directory = scratch.copy();
  wals = [];
  for (let index = 2; index < 2 + WRITES; index++) {
    const text = `entry ${index} `.repeat(1 + draw(600));
    must(log.write([job({ entries: [entry(index, 1, text)] })]));
    const wal = new Uint8Array(readFileSync(join(scratch.directory, "log.sqlite-wal")));
    wals.push({ wal, directory });
    // The next frames overwrite this WAL from its beginning: the old ones stay behind them.
    if (draw(15) === 0) {
      clock.millis += 1_000;
      while (must(log.tend()) !== null) clock.millis += 1_000;
      directory = scratch.copy();
    }
  }
  must(log.close());
});
afterAll(() => scratch.remove());

/** Two WALs one write apart, of the same database, and what the later one changed. */
function neighbours(draw: Draw) {
  for (;;) {
    const at = 1 + draw(wals.length - 1);
    const [before, after] = [wals[at - 1], wals[at]];
    if (before === undefined || after === undefined) continue;
    if (before.directory !== after.directory) continue;
    const changed = firstDifference(before.wal, after.wal);
    return { before: before.wal, after: after.wal, directory: after.directory, changed, at };
  }
}

function firstDifference(a: Uint8Array, b: Uint8Array): number {
  let at = 0;
  while (at < b.length && a[at] === b[at]) at += 1;
  return at;
}

/** Behind the end of the frames may lie old ones, in which both are the same. */
function lastDifference(a: Uint8Array, b: Uint8Array): number {
  let at = b.length - 1;
  while (at > 0 && a[at] === b[at]) at -= 1;
  return at;
}

test("an unfinished write, cut at any byte, costs that write and is no damage (P30)", () => {
  const draw = seeded(SEED + 1);
  for (let one = 0; one < CASES; one++) {
    const { before, after, directory, changed, at } = neighbours(draw);
    const cut = changed + draw(lastDifference(before, after) - changed);
    const torn = new Uint8Array(Math.max(cut, before.length));
    torn.set(before);
    torn.set(after.subarray(0, cut));

    const found = openWith(directory, torn);

    expect(found).toEqual({ damage: null, lastIndex: at + 1 });
  }
});

test("an unfinished write of which any sectors arrived is there whole or not at all (P29)", () => {
  const draw = seeded(SEED + 2);
  for (let one = 0; one < CASES; one++) {
    const { before, after, directory, changed, at } = neighbours(draw);
    const mixed = new Uint8Array(after.length);
    mixed.set(before.subarray(0, after.length));
    mixed.set(after.subarray(0, changed));
    for (let from = changed; from < after.length; from += SECTOR_BYTES) {
      if (draw(2) === 0) mixed.set(after.subarray(from, from + SECTOR_BYTES), from);
    }

    const found = openWith(directory, mixed);

    expect(found.damage).toBeNull();
    expect([at + 1, at + 2]).toContain(found.lastIndex);
  }
});

test("a byte that rots before the last write is damage, although the mark is far behind (P30)", () => {
  const draw = seeded(SEED + 3);
  for (let one = 0; one < CASES; one++) {
    const { after, directory, changed } = neighbours(draw);
    const rotten = after.slice();
    const at = draw(changed);
    rotten[at] = (rotten[at] ?? 0) ^ (1 << draw(8));

    const found = openWith(directory, rotten);

    expect({ at, damage: found.damage }).toEqual({ at, damage: "wal-cut-short" });
  }
});

function openWith(source: string, wal: Uint8Array) {
  const directory = join(scratch.root, "crashed");
  if (existsSync(directory)) rmSync(directory, { recursive: true });
  cpSync(source, directory, { recursive: true });
  writeFileSync(join(directory, "log.sqlite-wal"), wal);
  const log = logIn(directory);
  const { lastIndex } = must(log.boot());
  const { damage } = log;
  must(log.close());
  return { damage, lastIndex: lastIndex as number };
}
