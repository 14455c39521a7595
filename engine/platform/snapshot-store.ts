import type { SnapshotMeta } from "../raft/types.ts";
import type { Done } from "./completion.ts";
import type { StorageError } from "./log-store.ts";

/**
 * The bytes behind each `SnapshotMeta`. An id is a plain file name and names one content for ever:
 * two nodes never choose the same. A call sees what the calls before it did. Implementations pass
 * `tests/contracts/snapshot-store.ts`.
 */
export interface SnapshotStore {
  /** Starts the file of a snapshot that this node makes. An unfinished earlier one is abandoned. */
  create(id: string): SnapshotWriter;
  /**
   * Bytes from `offset`, at most `maxBytes`, of a snapshot that is here whole; empty at its end.
   * Nothing is given of a file that is not what `snapshot` says: `corrupt`.
   */
  readChunk(
    snapshot: SnapshotMeta,
    offset: number,
    maxBytes: number,
    done: Done<Uint8Array, StorageError>,
  ): void;
  /** How many bytes of this snapshot an interrupted transfer left here: where to resume. */
  received(snapshot: SnapshotMeta, done: Done<number, StorageError>): void;
  /** Appends to a transfer; `offset` must be what is there already. */
  receive(
    snapshot: SnapshotMeta,
    offset: number,
    bytes: Uint8Array,
    done: Done<void, StorageError>,
  ): void;
  /**
   * Checks length and SHA-256 and makes the file durable under its name; on a mismatch what was
   * received is deleted: `corrupt`.
   */
  verify(snapshot: SnapshotMeta, done: Done<void, StorageError>): void;
  /** Deletes every snapshot and unfinished transfer but these. */
  keepOnly(ids: readonly string[]): void;
}

export interface SnapshotWriter {
  /** Queued: the caller bounds itself by `done`, and leaves `bytes` alone until then. */
  append(bytes: Uint8Array, done: Done<void, StorageError>): void;
  /** Durable when done. */
  finish(done: Done<{ readonly bytes: number; readonly sha256: string }, StorageError>): void;
  /** What waits is answered with an error. */
  abandon(): void;
}
