import { rmSync } from "node:fs";
import { assert } from "../lib/assert.ts";
import { following, type Index, NOBODY, type Term } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { Boot, Entry, HardState, PersistJob, SnapshotMeta } from "../raft/types.ts";
import { extend, isSamePosition, ORIGIN, type Position, positionOf } from "./chain.ts";
import { nodeFiles } from "./node-files.ts";
import {
  type Damage,
  type ExpectedOwner,
  type OpenedLog,
  openLog,
  type SnapshotFileRule,
} from "./open-log.ts";
import { continues } from "./scan-log.ts";
import { attempt, naming, StorageFault } from "./storage-fault.ts";
import { FRAME_BYTES, PAGE_BYTES } from "./wal-evidence.ts";

export type SqliteLogOptions = {
  readonly directory: string;
  readonly expected: ExpectedOwner | null;
  /** Without: the snapshot is another's business. */
  readonly snapshotFile?: SnapshotFileRule;
  /** Milliseconds since an arbitrary start, never going back. */
  readonly monotonicMillis: () => number;
};

/** The mark is written lazily after this, and by the writer itself after the second. */
const MARK_LAZY_MILLIS = 100;
const MARK_BEHIND_MILLIS_MAX = 200;
/** Without a write for so long, the log is idle. */
const IDLE_MILLIS = 1_000;
const WAL_BYTES_MAX = 64 * 1024 * 1024;
/** Rows a transaction: 100 k at once would stop the log for 140 ms. */
const TRUNCATE_CHUNK = 2_000;

/**
 * One node's Raft log on bun:sqlite, with the mark beside it (DESIGN, Log store). Synchronous: the
 * worker and the simulator call it alike. After the first error every call returns that error.
 */
export class SqliteLog {
  readonly #options: SqliteLogOptions;
  readonly #files: ReturnType<typeof nodeFiles>;
  #opened: OpenedLog | null = null;
  #failure: StorageError | null = null;

  #base: Position = ORIGIN;
  #last: Position = ORIGIN;
  #snapshotIndex = 0 as Index;
  #hardState: HardState | null = null;
  #damagedTerm: Term | null = null;

  /** A commit index that no transaction was worth: it goes with the next one. */
  #postponed: HardState | null = null;
  #lastSeq = 0;
  #truncateBefore = 0 as Index;
  /** When the oldest commit became durable that the mark does not cover; null = it covers all. */
  #uncoveredSince: number | null = null;
  #lastWriteAt = 0;
  #walBytes = 0;

  constructor(options: SqliteLogOptions) {
    this.#options = options;
    this.#files = nodeFiles(options.directory);
  }

  /** Why the log was found damaged; null = it is whole. */
  get damage(): Damage | null {
    return this.#opened?.damage ?? null;
  }

  boot(): Result<Boot, StorageError> {
    const { directory, expected, snapshotFile = "not-looked-at" } = this.#options;
    return this.#guard(`opening the log in ${directory}`, () => {
      assert(this.#opened === null, "a log is opened once");
      const opened = openLog(directory, expected, snapshotFile);
      this.#opened = opened;
      this.#base = opened.base;
      this.#last = opened.last;
      this.#snapshotIndex = opened.snapshot?.index ?? (0 as Index);
      this.#hardState = opened.hardState;
      this.#damagedTerm = opened.damagedTerm;
      return opened.boot;
    });
  }

  /** Several jobs in one transaction. Durable on return, except jobs that did not ask for it. */
  write(jobs: readonly PersistJob[]): Result<void, StorageError> {
    return this.#guard(`writing ${this.#files.log}`, () => {
      for (const job of jobs) {
        assert(job.seq > this.#lastSeq, "persist jobs arrive in the order of their numbers");
        this.#lastSeq = job.seq;
      }
      if (jobs.some((job) => job.fsync)) this.#commit(jobs);
      else this.#postponed = latestHardState(jobs) ?? this.#postponed;
    });
  }

  /** Entries of [lo, hi) that exist: at least one if `lo` does, at most about `maxBytes`. */
  entries(
    lo: Index,
    hi: Index,
    maxBytes: number,
  ): Result<readonly Entry[] | "compacted", StorageError> {
    return this.#guard(`reading ${this.#files.log}`, () => {
      if (lo <= this.#base.index) return "compacted";
      const end = Math.min(hi, following(this.#last.index)) as Index;
      return lo < end ? this.#read(lo, end, maxBytes) : [];
    });
  }

  /** Names a snapshot made of this log's own entries. The log stays, but may be truncated now. */
  recordSnapshot(snapshot: SnapshotMeta): Result<void, StorageError> {
    return this.#guard(`recording a snapshot in ${this.#files.log}`, () => {
      assert(snapshot.index >= this.#snapshotIndex, "snapshots do not go back");
      assert(snapshot.index <= this.#last.index, "a snapshot covers entries of this log");
      const { tables } = this.#running();
      tables.transact(() => tables.put("snapshot", snapshot));
      this.#snapshotIndex = snapshot.index;
    });
  }

  /** Deletion is done by `tend`, in chunks, and never beyond the snapshot. */
  truncateBefore(index: Index): void {
    const limit = Math.min(index, this.#snapshotIndex + 1) as Index;
    if (limit > this.#truncateBefore) this.#truncateBefore = limit;
  }

  /**
   * Does one piece of what can wait, when it is due. Returns the milliseconds until it should be
   * called again (a write may make that sooner); null = nothing is left to do.
   */
  tend(): Result<number | null, StorageError> {
    return this.#guard(`tending ${this.#files.log}`, () => {
      const now = this.#options.monotonicMillis();
      if (this.#uncoveredSince !== null && now - this.#uncoveredSince >= MARK_LAZY_MILLIS) {
        this.#syncMark();
      }
      if (this.#walBytes >= WAL_BYTES_MAX) this.#checkpoint();
      if (this.#truncateBefore > following(this.#base.index)) {
        this.#truncateChunk();
        return 0;
      }
      if (now - this.#lastWriteAt >= IDLE_MILLIS) this.#rest();
      return this.#nextTendIn(now);
    });
  }

  /** Brings everything up to date and gives back the lock. What failed is not touched again. */
  close(): Result<void, StorageError> {
    const finished = this.#guard(`closing ${this.#files.log}`, () => this.#finish());
    const released = attempt(`closing ${this.#files.log}`, () => this.#release());
    return finished.ok ? released : finished;
  }

  #finish(): void {
    if (this.#opened === null) return;
    if (this.#postponed !== null) this.#commit([]);
    if (!this.#isCovered()) this.#syncMark();
    this.#opened.tables.checkpoint("TRUNCATE");
    rmSync(this.#files.pid, { force: true });
  }

  #release(): void {
    this.#opened?.mark.close();
    this.#opened?.tables.close();
    this.#opened = null;
  }

  #guard<T>(doing: string, work: () => T): Result<T, StorageError> {
    if (this.#failure !== null) return err(this.#failure);
    const result = attempt(doing, work);
    if (!result.ok) this.#failure = result.error;
    return result.ok ? ok(result.value) : result;
  }

  #commit(jobs: readonly PersistJob[]): void {
    const { tables } = this.#running();
    const startedAt = this.#options.monotonicMillis();
    const before = this.#hardState;
    const isRewrite = this.#lowerMark(jobs);
    const hardState = latestHardState(jobs) ?? this.#postponed;
    tables.transact(() => {
      for (const job of jobs) this.#writeJob(job);
      if (hardState !== null) tables.put("hard_state", hardState);
    });
    this.#hardState = hardState ?? before;
    this.#postponed = null;
    this.#lastWriteAt = startedAt;
    this.#walBytes += walBytesOf(jobs);
    const isRepaired = this.#noticeRepair();
    if (this.#isCovered() && !isRepaired) return;
    this.#uncoveredSince ??= startedAt;
    const isBehind = startedAt - this.#uncoveredSince > MARK_BEHIND_MILLIS_MAX;
    if (isRewrite || isRepaired || isBehind || !isSameVote(before, this.#hardState)) {
      this.#syncMark();
    }
    if (isRepaired) rmSync(this.#files.damaged, { force: true });
  }

  #writeJob(job: PersistJob): void {
    const { tables } = this.#running();
    if (job.snapshot !== null) {
      tables.deleteFrom(0 as Index);
      tables.put("snapshot", job.snapshot);
      this.#base = positionOf(job.snapshot);
      tables.put("base", this.#base);
      this.#last = this.#base;
      this.#snapshotIndex = job.snapshot.index;
      this.#truncateBefore = 0 as Index;
    }
    const first = job.entries[0];
    if (first === undefined) return;
    assert(first.index > this.#base.index, "entries are written after the start of the log");
    assert(first.index <= this.#last.index + 1, "entries leave no gap in the log");
    if (first.index <= this.#last.index) {
      this.#last = this.#positionAt((first.index - 1) as Index);
      tables.deleteFrom(first.index);
    }
    for (const entry of job.entries) this.#append(entry);
  }

  #append(entry: Entry): void {
    assert(entry.index === this.#last.index + 1, "entries are contiguous");
    assert(entry.term >= this.#last.term, "terms do not go back in a log");
    this.#last = extend(this.#last.chain, entry);
    this.#running().tables.insert(entry, this.#last.chain);
  }

  /**
   * Before anything is deleted that the mark names, the mark names something that stays: a crash
   * in between must not look like a loss. True when it was needed.
   */
  #lowerMark(jobs: readonly PersistJob[]): boolean {
    const marked = this.#running().mark.current?.last.index ?? (0 as Index);
    let kept: Index = marked;
    for (const job of jobs) {
      const first = job.entries[0];
      if (job.snapshot !== null) kept = 0 as Index;
      else if (first !== undefined && first.index <= kept) kept = (first.index - 1) as Index;
    }
    if (kept === marked) return false;
    this.#writeMark(kept === 0 ? ORIGIN : this.#positionAt(kept));
    return true;
  }

  /**
   * A damaged log is whole again once a newer term's leader has committed an entry of its own term
   * here: everything that this node had acked before is then in its log (Raft §5.4.3, leader
   * completeness), for it gave no vote meanwhile. True when that just happened.
   */
  #noticeRepair(): boolean {
    const hardState = this.#hardState;
    if (this.#damagedTerm === null || hardState === null) return false;
    const { term, commit } = hardState;
    if (term <= this.#damagedTerm) return false;
    if (commit <= this.#base.index || commit > this.#last.index) return false;
    if (this.#positionAt(commit).term !== term) return false;
    this.#damagedTerm = null;
    return true;
  }

  #positionAt(index: Index): Position {
    if (index === this.#last.index) return this.#last;
    if (index === this.#base.index) return this.#base;
    const row = this.#running().tables.row(index);
    if (row === null) throw rotten(index);
    return { index, term: row.entry.term, chain: row.chain };
  }

  #read(lo: Index, end: Index, maxBytes: number): readonly Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    let previous = this.#positionAt((lo - 1) as Index);
    for (const stored of this.#running().tables.range(lo, end)) {
      const { entry, chain } = stored;
      if (!continues(previous, stored)) throw rotten(following(previous.index));
      bytes += entry.data.length;
      if (entries.length > 0 && bytes > maxBytes) break;
      entries.push(entry);
      previous = { index: entry.index, term: entry.term, chain };
    }
    if (entries.length === 0) throw rotten(lo);
    return entries;
  }

  #truncateChunk(): void {
    const { tables, mark } = this.#running();
    const upTo = Math.min(this.#truncateBefore - 1, this.#base.index + TRUNCATE_CHUNK) as Index;
    const base = this.#positionAt(upTo);
    if ((mark.current?.last.index ?? 0) < upTo) this.#syncMark();
    tables.transact(() => {
      tables.deleteUpTo(upTo);
      tables.put("base", base);
    });
    this.#base = base;
    this.#walBytes += WAL_PAGES_MIN * FRAME_BYTES;
  }

  #rest(): void {
    if (this.#postponed !== null) this.#commit([]);
    if (this.#walBytes > 0) this.#checkpoint();
  }

  #checkpoint(): void {
    this.#running().tables.checkpoint("PASSIVE");
    this.#walBytes = 0;
  }

  #nextTendIn(now: number): number | null {
    const waits: number[] = [];
    if (this.#uncoveredSince !== null) waits.push(this.#uncoveredSince + MARK_LAZY_MILLIS - now);
    const hasRest = this.#postponed !== null || this.#walBytes > 0;
    if (hasRest) waits.push(this.#lastWriteAt + IDLE_MILLIS - now);
    return waits.length === 0 ? null : Math.max(1, Math.ceil(Math.min(...waits)));
  }

  #isCovered(): boolean {
    const mark = this.#running().mark.current;
    if (mark === null || !isSamePosition(mark.last, this.#last)) return false;
    return isSameVote(mark, this.#hardState);
  }

  #syncMark(): void {
    this.#writeMark(this.#last);
    this.#uncoveredSince = null;
  }

  #writeMark(last: Position): void {
    const { mark, identity } = this.#running();
    const term = this.#hardState?.term ?? (0 as Term);
    const votedFor = this.#hardState?.votedFor ?? NOBODY;
    naming(`writing ${this.#files.mark}`, () =>
      mark.write({ identity, term, votedFor, last, damagedTerm: this.#damagedTerm }),
    );
  }

  #running(): OpenedLog {
    const opened = this.#opened;
    assert(opened !== null, "a log is used between its boot and its close");
    return opened;
  }
}

function latestHardState(jobs: readonly PersistJob[]): HardState | null {
  return jobs.findLast((job) => job.hardState !== null)?.hardState ?? null;
}

type Vote = Pick<HardState, "term" | "votedFor">;

const isSameVote = (a: Vote | null, b: Vote | null): boolean =>
  (a?.term ?? 0) === (b?.term ?? 0) && (a?.votedFor ?? NOBODY) === (b?.votedFor ?? NOBODY);

/** Pages of the smallest transaction: the records, the last leaf and its parent. */
const WAL_PAGES_MIN = 3;

/** An estimate of what a transaction adds to the WAL: only the checkpoint depends on it. */
function walBytesOf(jobs: readonly PersistJob[]): number {
  let bytes = 0;
  for (const job of jobs) {
    for (const entry of job.entries) bytes += entry.data.length + 24;
  }
  return (WAL_PAGES_MIN + Math.ceil(bytes / PAGE_BYTES)) * FRAME_BYTES;
}

function rotten(index: Index): StorageFault {
  return new StorageFault(
    "corrupt",
    `entry ${index} of the log is not what was written: the disk or the memory is failing; keep ` +
      "the directory, replace what fails, then start the node again",
  );
}
