import type { SnapshotMeta } from "../raft/types.ts";
import type { Done } from "./completion.ts";
import type { StorageError } from "./log-store.ts";

/** The bytes behind a `SnapshotMeta`: verified against its length and hash before they are given. */
export interface SnapshotStore {
  read(snapshot: SnapshotMeta, done: Done<Uint8Array, StorageError>): void;
}
