import { constants, Database, type Statement } from "bun:sqlite";
import { assert } from "../lib/assert.ts";
import { crc32c } from "../lib/crc32c.ts";
import type { Index, Term } from "../lib/ids.ts";
import type { Entry, HardState, SnapshotMeta } from "../raft/types.ts";
import { ENTRY_KINDS, kindCode, type Position } from "./chain.ts";
import type { Identity } from "./mark-file.ts";
import { StorageFault } from "./storage-fault.ts";
import { PAGE_BYTES } from "./wal-evidence.ts";

/** `nlog` in ASCII: tells our file from any other SQLite database. */
const APPLICATION_ID = 0x6e6c6f67;
const SCHEMA_VERSION = 1;

const SCHEMA = `
CREATE TABLE records (
  name TEXT PRIMARY KEY, json TEXT NOT NULL, crc INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE entries (
  idx INTEGER PRIMARY KEY, term INTEGER NOT NULL, kind INTEGER NOT NULL,
  data BLOB NOT NULL, chain INTEGER NOT NULL
) STRICT;
PRAGMA application_id = ${APPLICATION_ID};
PRAGMA user_version = ${SCHEMA_VERSION};
`;

/** The small single things beside the entries. Each has its own checksum. */
type Records = {
  readonly identity: Identity;
  readonly hard_state: HardState;
  /** Where the log starts: its first entry is the one after this. */
  readonly base: Position;
  readonly snapshot: SnapshotMeta;
};

type EntryRow = Readonly<Record<"idx" | "term" | "kind" | "data" | "chain", unknown>>;
export type StoredEntry = { readonly entry: Entry; readonly chain: number };

/** Makes the database file with its schema. The file must exist, be empty and be ours (0600). */
export function createTables(path: string): LogTables {
  const db = new Database(path, { readwrite: true, create: false });
  db.run(`PRAGMA page_size = ${PAGE_BYTES}`);
  configure(db);
  db.run(SCHEMA);
  return new LogTables(db);
}

/**
 * Opens an existing database and locks it for this process until it is closed or the process dies.
 * Recovers the WAL on the way. Throws SQLite's errors and `StorageFault`.
 */
export function openTables(path: string): LogTables {
  const db = new Database(path, { readwrite: true, create: false });
  try {
    // Before the first access, so that SQLite's own lock on the file is ours for good.
    db.run("PRAGMA locking_mode = EXCLUSIVE");
    checkOwnership(db, path);
    configure(db);
    return new LogTables(db);
  } catch (thrown) {
    db.close();
    throw thrown;
  }
}

function configure(db: Database): void {
  db.run("PRAGMA locking_mode = EXCLUSIVE");
  db.run("PRAGMA journal_mode = WAL");
  db.run("PRAGMA synchronous = FULL");
  // macOS: an fsync that reaches the platter. No effect elsewhere.
  db.run("PRAGMA fullfsync = ON");
  db.run("PRAGMA wal_autocheckpoint = 0");
  db.run("PRAGMA trusted_schema = OFF");
  db.run("PRAGMA cell_size_check = ON");
  // A transaction reaches the WAL at its commit only: `countDurableFrames` relies on that.
  db.run("PRAGMA cache_spill = OFF");
  db.run("PRAGMA mmap_size = 0");
  // A close keeps the WAL: after a failed start the next one needs to see what this one saw.
  db.fileControl(constants.SQLITE_FCNTL_PERSIST_WAL, 1);
  assert(pragma(db, "journal_mode") === "wal", "the log is written ahead");
  assert(pragma(db, "synchronous") === 2, "every commit of the log is synced");
  assert(pragma(db, "page_size") === PAGE_BYTES, "the log has the page size of its WAL check");
}

function checkOwnership(db: Database, path: string): void {
  const applicationId = pragma(db, "application_id");
  if (applicationId !== APPLICATION_ID) {
    throw new StorageFault(
      "foreign",
      `${path} is not a log of nl, or its first page is damaged; nothing was changed: choose ` +
        "another data directory, or see what can be saved: nl cluster repair --dir DIR",
    );
  }
  const version = Number(pragma(db, "user_version"));
  if (version > SCHEMA_VERSION) {
    throw new StorageFault(
      "foreign",
      `${path} was written by a newer nl (schema ${version}, this one knows ${SCHEMA_VERSION}); ` +
        "nothing was changed: start it with that version of nl",
    );
  }
  if (version >= 1) return;
  throw new StorageFault(
    "corrupt",
    `${path} does not say its schema version: keep the directory; what can be saved says: ` +
      "nl cluster repair --dir DIR",
  );
}

function pragma(db: Database, name: string): unknown {
  const statement = db.prepare<Record<string, unknown>, []>(`PRAGMA ${name}`);
  const row = statement.get();
  statement.finalize();
  return row === null ? null : Object.values(row)[0];
}

/** The statements of the log, prepared once. Knows rows, not Raft: `SqliteLog` does. */
export class LogTables {
  readonly #db: Database;
  readonly #statements: Statement[] = [];
  readonly #begin: Statement;
  readonly #commit: Statement;
  readonly #insert: Statement;
  readonly #deleteFrom: Statement;
  readonly #deleteUpTo: Statement;
  readonly #range: Statement<EntryRow, [number, number]>;
  readonly #backwards: Statement<EntryRow, [number]>;
  readonly #putRecord: Statement;
  readonly #getRecord: Statement<{ readonly json: string; readonly crc: number }, [string]>;

  constructor(db: Database) {
    this.#db = db;
    this.#begin = this.#prepare("BEGIN IMMEDIATE");
    this.#commit = this.#prepare("COMMIT");
    this.#insert = this.#prepare(
      "INSERT INTO entries (idx, term, kind, data, chain) VALUES (?, ?, ?, ?, ?)",
    );
    this.#deleteFrom = this.#prepare("DELETE FROM entries WHERE idx >= ?");
    this.#deleteUpTo = this.#prepare("DELETE FROM entries WHERE idx <= ?");
    const columns = "SELECT idx, term, kind, data, chain FROM entries";
    this.#range = this.#prepare(`${columns} WHERE idx >= ? AND idx < ? ORDER BY idx`);
    this.#backwards = this.#prepare(`${columns} WHERE idx <= ? ORDER BY idx DESC`);
    this.#putRecord = this.#prepare(
      "INSERT OR REPLACE INTO records (name, json, crc) VALUES (?, ?, ?)",
    );
    this.#getRecord = this.#prepare("SELECT json, crc FROM records WHERE name = ?");
  }

  /** One atomic, durable transaction. After a throw the log is not to be written any more. */
  transact(work: () => void): void {
    this.#begin.run();
    work();
    this.#commit.run();
  }

  insert(entry: Entry, chain: number): void {
    this.#insert.run(entry.index, entry.term, kindCode(entry.kind), entry.data, chain);
  }

  deleteFrom(index: Index): void {
    this.#deleteFrom.run(index);
  }

  deleteUpTo(index: Index): void {
    this.#deleteUpTo.run(index);
  }

  /** Rows of [lo, hi), as stored: neither contiguous nor verified. */
  *range(lo: Index, hi: Index): Generator<StoredEntry> {
    for (const row of this.#range.iterate(lo, hi)) yield toStoredEntry(row);
  }

  /** Rows from `index` down. */
  *backwardsFrom(index: Index): Generator<StoredEntry> {
    for (const row of this.#backwards.iterate(index)) yield toStoredEntry(row);
  }

  row(index: Index): StoredEntry | null {
    const row = this.#range.get(index, index + 1);
    return row === null ? null : toStoredEntry(row);
  }

  put<Name extends keyof Records>(name: Name, value: Records[Name]): void {
    const json = JSON.stringify(value);
    this.#putRecord.run(name, json, recordCrc(name, json));
  }

  /** Null when there is none; "unreadable" when it fails its checksum. */
  get<Name extends keyof Records>(name: Name): Records[Name] | "unreadable" | null {
    const row = this.#getRecord.get(name);
    if (row === null) return null;
    if (row.crc !== recordCrc(name, row.json)) return "unreadable";
    // The checksum covers the name and says that it was written by `put`.
    return JSON.parse(row.json) as Records[Name];
  }

  /** Moves what is in the WAL to the main file. Returns the number of frames the WAL holds. */
  checkpoint(mode: "PASSIVE" | "TRUNCATE"): number {
    const statement = this.#db.prepare<{ busy: number; log: number }, []>(
      `PRAGMA wal_checkpoint(${mode})`,
    );
    const row = statement.get();
    statement.finalize();
    if (row === null || row.busy !== 0) throw new StorageFault("io", "the checkpoint was refused");
    return row.log;
  }

  /** Releases the lock. Rolls back what was not committed. */
  close(): void {
    for (const statement of this.#statements) statement.finalize();
    this.#db.close(true);
  }

  #prepare<Row, Params extends (number | string)[]>(sql: string) {
    const statement = this.#db.prepare<Row, Params>(sql);
    this.#statements.push(statement);
    return statement;
  }
}

const recordCrc = (name: string, json: string): number =>
  crc32c(0, new TextEncoder().encode(`${name} ${json}`));

/**
 * A rotten row may hold anything: what is not of its type becomes something else of that type, and
 * the chain tells.
 */
function toStoredEntry(row: EntryRow): StoredEntry {
  const data = row.data instanceof Uint8Array ? row.data : new Uint8Array(0);
  const kind = ENTRY_KINDS[toNumber(row.kind)] ?? "normal";
  const index = toNumber(row.idx) as Index;
  return {
    entry: { index, term: toNumber(row.term) as Term, kind, data },
    chain: toNumber(row.chain),
  };
}

const toNumber = (value: unknown): number => (typeof value === "number" ? value : -1);
