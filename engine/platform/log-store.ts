import type { Index } from "../lib/ids.ts";
import type { Boot, Entry, PersistJob, SnapshotMeta } from "../raft/types.ts";
import type { Done } from "./completion.ts";

/** Every one of these is fatal to the node: a failed fsync is never retried (SEMANTICS S17). */
export type StorageError = {
  readonly kind: "io" | "full" | "corrupt" | "stalled" | "foreign" | "locked";
  readonly detail: string;
};

/**
 * The Raft log of one node. `write` jobs are done in order, each as one atomic transaction, and
 * are durable when they are reported done. Implementations pass `tests/contracts/log-store.ts`.
 */
export interface LogStore {
  /** Opens and verifies everything; damage is reported through `Boot.damaged`. Called once. */
  boot(done: Done<Boot, StorageError>): void;
  write(job: PersistJob, done: Done<void, StorageError>): void;
  /** Entries in [lo, hi), at least one, at most about `maxBytes` of data. */
  entries(
    lo: Index,
    hi: Index,
    maxBytes: number,
    done: Done<readonly Entry[] | "compacted", StorageError>,
  ): void;
  /** Names a snapshot made of this log's own entries; then the log may be truncated up to it. */
  recordSnapshot(snapshot: SnapshotMeta, done: Done<void, StorageError>): void;
  /**
   * Lazy: may happen later or, after a crash, not at all. Never beyond the snapshot that was
   * recorded or installed last.
   */
  truncateBefore(index: Index): void;
  /** Finishes what was written, brings the mark up to date, releases the files. */
  close(done: Done<void, StorageError>): void;
}
