import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Index, NodeId, PeerId } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { StorageError } from "../platform/log-store.ts";
import { confAfter } from "../raft/conf-after.ts";
import type { Boot, ConfState, Entry, SnapshotMeta } from "../raft/types.ts";
import { apply } from "../state/apply.ts";
import type { ClusterState } from "../state/create-state.ts";
import { decodeState } from "../state/state-loader.ts";
import { digestOf, findMismatch } from "../storage/snapshot-bytes.ts";
import { SqliteLog } from "../storage/sqlite-log.ts";

/** A node's data while it does not run, opened as the node would open it. */
export type StoppedNode = {
  readonly log: SqliteLog;
  readonly boot: Boot;
  readonly snapshot: SnapshotMeta;
  /** With every entry of the log applied, also those that were never known as committed. */
  readonly state: ClusterState;
  readonly conf: ConfState;
  readonly self: { readonly nodeId: NodeId; readonly peerId: PeerId };
};

const CHUNK_ENTRIES = 4_096;
const CHUNK_BYTES = 4 * 1024 * 1024;

/**
 * Opens, locks and loads. As at every start of the node, what is damaged is cut off and the damage
 * is remembered. The caller closes the log.
 */
export function openStoppedNode(
  directory: string,
  self: StoppedNode["self"],
): Result<StoppedNode, StorageError> {
  const log = new SqliteLog({
    directory,
    expected: null,
    monotonicMillis: () => performance.now(),
  });
  const booted = log.boot();
  if (!booted.ok) return booted;
  const loaded = load(directory, log, booted.value);
  if (loaded.ok) return ok({ log, boot: booted.value, self, ...loaded.value });
  log.close();
  return loaded;
}

function load(
  directory: string,
  log: SqliteLog,
  boot: Boot,
): Result<Pick<StoppedNode, "snapshot" | "state" | "conf">, StorageError> {
  const { snapshot } = boot;
  if (snapshot === null) return corrupt("the log has no snapshot to start from");
  const state = readSnapshot(directory, snapshot);
  if (!state.ok) return state;
  let conf = snapshot.conf;
  for (let from = snapshot.index + 1; from <= boot.lastIndex; ) {
    const entries = readEntries(log, from, boot.lastIndex);
    if (!entries.ok) return entries;
    for (const entry of entries.value) {
      const applied = apply(state.value, entry);
      if (!applied.ok) return corrupt(applied.error.sentence);
      conf = confAfter(conf, entry);
    }
    from += entries.value.length;
  }
  return ok({ snapshot, state: state.value, conf });
}

function readEntries(
  log: SqliteLog,
  from: number,
  lastIndex: Index,
): Result<readonly Entry[], StorageError> {
  const to = Math.min(from + CHUNK_ENTRIES, lastIndex + 1);
  const read = log.entries(from as Index, to as Index, CHUNK_BYTES);
  if (!read.ok) return read;
  return read.value === "compacted" ? corrupt("the log begins after its snapshot") : ok(read.value);
}

function readSnapshot(
  directory: string,
  snapshot: SnapshotMeta,
): Result<ClusterState, StorageError> {
  const path = join(directory, "snapshots", snapshot.id);
  try {
    const bytes = readFileSync(path);
    const mismatch = findMismatch(snapshot, digestOf(bytes));
    if (mismatch !== null) return err(mismatch);
    const decoded = decodeState(bytes);
    return decoded.ok ? decoded : corrupt(decoded.error);
  } catch (cause) {
    return corrupt(`${path} cannot be read: ${String(cause)}`);
  }
}

const corrupt = (detail: string): Result<never, StorageError> => err({ kind: "corrupt", detail });
