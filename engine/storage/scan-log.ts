import { following, type Index, type Term } from "../lib/ids.ts";
import type { Boot, Entry, SnapshotMeta } from "../raft/types.ts";
import { extend, ORIGIN, type Position, positionOf } from "./chain.ts";
import type { LogTables, StoredEntry } from "./log-tables.ts";
import { toStorageError } from "./storage-fault.ts";

/** The good part of a log: the entries after `base` up to `last`. */
export type LogScan = {
  readonly base: Position;
  readonly last: Position;
  readonly termRuns: Boot["termRuns"];
  readonly confEntries: readonly Entry[];
  /** There is more, which does not continue it. */
  readonly isBroken: boolean;
};

const INDEX_MAX = Number.MAX_SAFE_INTEGER as Index;

/** Reads every entry once and stops at the first that does not continue the chain. */
export function scanLog(tables: LogTables, snapshot: SnapshotMeta | null): LogScan {
  const base = readBase(tables, snapshot);
  const termRuns: { from: Index; term: Term }[] = [];
  const confEntries: Entry[] = [];
  const covered = snapshot?.index ?? (0 as Index);
  const good = { last: base, isBroken: false };
  for (const stored of goodEntries(tables, base, good)) {
    const { entry } = stored;
    if (entry.term !== termRuns.at(-1)?.term) {
      termRuns.push({ from: entry.index, term: entry.term });
    }
    if (entry.kind === "conf" && entry.index > covered) confEntries.push(entry);
  }
  const { last, isBroken } = good;
  if (snapshot === null || last.index >= snapshot.index) {
    return { base, last, termRuns, confEntries, isBroken };
  }
  // What is left ends before the snapshot: of no use to anybody.
  const start = positionOf(snapshot);
  return { base: start, last: start, termRuns: [], confEntries: [], isBroken: true };
}

/** Entries in the order of the chain, while it holds. `good` says how far it held, and why not on. */
export function* goodEntries(
  tables: LogTables,
  base: Position,
  good: { last: Position; isBroken: boolean },
): Generator<StoredEntry> {
  for (const stored of readable(tables.range(following(base.index), INDEX_MAX))) {
    good.isBroken = stored === "unreadable" || !continues(good.last, stored);
    if (stored === "unreadable" || good.isBroken) return;
    const { entry, chain } = stored;
    good.last = { index: entry.index, term: entry.term, chain };
    yield stored;
  }
}

/** A page that SQLite itself finds rotten ends the log like an entry that breaks the chain. */
function* readable(rows: Generator<StoredEntry>): Generator<StoredEntry | "unreadable"> {
  try {
    yield* rows;
  } catch (thrown) {
    if (toStorageError("reading the log", thrown).kind !== "corrupt") throw thrown;
    yield "unreadable";
  }
}

export function continues(previous: Position, stored: StoredEntry): boolean {
  const { entry, chain } = stored;
  if (entry.index !== previous.index + 1 || entry.term < previous.term) return false;
  return extend(previous.chain, entry).chain === chain;
}

/** Without its record: what a log without compaction has. The chain tells whether it is so. */
function readBase(tables: LogTables, snapshot: SnapshotMeta | null): Position {
  const base = tables.get("base");
  if (base !== "unreadable" && base !== null) return base;
  return snapshot === null ? ORIGIN : positionOf(snapshot);
}
