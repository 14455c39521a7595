import { assert } from "../lib/assert.ts";
import { following, type Index } from "../lib/ids.ts";
import { ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { LogStore, StorageError } from "../platform/log-store.ts";
import type { Timers } from "../platform/timers.ts";
import type { Boot, Entry, HardState, PersistJob, SnapshotMeta } from "../raft/types.ts";

/** A log that lasts as long as its process (`nl agent --ephemeral`). */
export class MemoryLogStore implements LogStore {
  readonly #timers: Timers;
  #snapshot: SnapshotMeta;
  #hardState: HardState;
  /** `#entries[0]` has the index `#firstIndex`. */
  #firstIndex: Index;
  #entries: Entry[] = [];
  #lastSeq = 0;

  constructor(options: { readonly timers: Timers; readonly snapshot: SnapshotMeta }) {
    const { index, term } = options.snapshot;
    this.#timers = options.timers;
    this.#snapshot = options.snapshot;
    this.#hardState = { term, votedFor: 0 as HardState["votedFor"], commit: index };
    this.#firstIndex = following(index);
  }

  boot(done: Done<Boot, StorageError>): void {
    this.#answer(done, {
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      applied: this.#snapshot.index,
      termRuns: [],
      confEntries: [],
      tail: [],
      lastIndex: this.#lastIndex(),
      damaged: false,
    });
  }

  write(job: PersistJob, done: Done<void, StorageError>): void {
    assert(job.seq > this.#lastSeq, "persist jobs arrive in the order of their numbers");
    this.#lastSeq = job.seq;
    if (job.snapshot !== null) {
      this.#snapshot = job.snapshot;
      this.#firstIndex = following(job.snapshot.index);
      this.#entries = [];
    }
    const first = job.entries[0];
    if (first !== undefined) {
      assert(first.index >= this.#firstIndex, "entries are written after the start of the log");
      assert(first.index <= this.#lastIndex() + 1, "entries leave no gap in the log");
      this.#entries.length = first.index - this.#firstIndex;
      for (const entry of job.entries) this.#entries.push(entry);
    }
    this.#hardState = job.hardState ?? this.#hardState;
    this.#answer(done, undefined);
  }

  entries(
    lo: Index,
    hi: Index,
    maxBytes: number,
    done: Done<readonly Entry[] | "compacted", StorageError>,
  ): void {
    this.#answer(done, lo < this.#firstIndex ? "compacted" : this.#slice(lo, hi, maxBytes));
  }

  recordSnapshot(snapshot: SnapshotMeta, done: Done<void, StorageError>): void {
    assert(snapshot.index >= this.#snapshot.index, "snapshots do not go back");
    assert(snapshot.index <= this.#lastIndex(), "a snapshot covers entries of this log");
    this.#snapshot = snapshot;
    this.#answer(done, undefined);
  }

  truncateBefore(index: Index): void {
    const limit = Math.min(index, this.#snapshot.index + 1) as Index;
    if (limit <= this.#firstIndex) return;
    this.#entries.splice(0, limit - this.#firstIndex);
    this.#firstIndex = limit;
  }

  close(done: Done<void, StorageError>): void {
    this.#answer(done, undefined);
  }

  #slice(lo: Index, hi: Index, maxBytes: number): readonly Entry[] {
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of this.#entries.slice(lo - this.#firstIndex, hi - this.#firstIndex)) {
      bytes += entry.data.length;
      if (found.length > 0 && bytes > maxBytes) break;
      found.push(entry);
    }
    return found;
  }

  #lastIndex(): Index {
    return (this.#firstIndex + this.#entries.length - 1) as Index;
  }

  #answer<T>(done: Done<T, StorageError>, value: T): void {
    this.#timers.soon(() => done(ok(value)));
  }
}
