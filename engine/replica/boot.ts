import { err, ok, type Result } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { LogStore, StorageError } from "../platform/log-store.ts";
import type { SnapshotStore } from "../platform/snapshot-store.ts";
import type { Boot, SnapshotMeta } from "../raft/types.ts";
import type { ClusterState } from "../state/create-state.ts";
import { decodeState } from "../state/state-loader.ts";

export type Booted = {
  readonly boot: Boot;
  readonly state: ClusterState;
};

/** Reads the log and the snapshot it starts from; everything after it is applied again. */
export function loadNode(
  stores: { readonly logStore: LogStore; readonly snapshots: SnapshotStore },
  done: (result: Result<Booted, StorageError>) => void,
): void {
  stores.logStore.boot((booted) => {
    if (!booted.ok) {
      done(booted);
      return;
    }
    const { snapshot } = booted.value;
    if (snapshot === null) {
      done(err({ kind: "corrupt", detail: "the log has no snapshot to start from" }));
      return;
    }
    readWhole(stores.snapshots, snapshot, (read) => {
      done(read.ok ? found(booted.value, snapshot, read.value) : read);
    });
  });
}

const CHUNK_BYTES = 256 * 1024;

function readWhole(
  snapshots: SnapshotStore,
  snapshot: SnapshotMeta,
  done: Done<Uint8Array, StorageError>,
): void {
  const whole = new Uint8Array(snapshot.bytes);
  const readFrom = (offset: number): void => {
    snapshots.readChunk(snapshot, offset, CHUNK_BYTES, (read) => {
      if (!read.ok) {
        done(read);
        return;
      }
      whole.set(read.value, offset);
      if (read.value.length === 0) done(ok(whole));
      else readFrom(offset + read.value.length);
    });
  };
  readFrom(0);
}

function found(
  boot: Boot,
  snapshot: SnapshotMeta,
  bytes: Uint8Array,
): Result<Booted, StorageError> {
  const state = decodeState(bytes);
  if (!state.ok) return err({ kind: "corrupt", detail: state.error });
  return ok({ boot: { ...boot, applied: snapshot.index }, state: state.value });
}
