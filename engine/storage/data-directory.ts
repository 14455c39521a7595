import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { assert } from "../lib/assert.ts";
import { type Index, NOBODY, type NodeId, type PeerId, type Term } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { HardState, SnapshotMeta } from "../raft/types.ts";
import { ORIGIN, positionOf } from "./chain.ts";
import { createTables, openTables } from "./log-tables.ts";
import { createMarkFile, type Identity, readMark } from "./mark-file.ts";
import { DIRECTORY_MODE, FILE_MODE, nodeFiles, syncPath } from "./node-files.ts";
import { digestOf, findMismatch, writeSnapshotFile } from "./snapshot-bytes.ts";
import { attempt, isMissing, StorageFault } from "./storage-fault.ts";

/** What a node's data directory starts with: its identity and the cluster's first snapshot. */
export type NewNode = {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly peerId: PeerId;
  /** Random, made for this directory, never used again. */
  readonly storeId: string;
  /** The snapshot at index 1 that names the first voters; the same for all of them. */
  readonly snapshot: SnapshotMeta;
  readonly snapshotBytes: Uint8Array;
};

/** A node that joins a cluster: it begins with nothing but who it is. */
export type JoinedNode = Omit<NewNode, "snapshot" | "snapshotBytes">;

const ID_CHARACTERS_MAX = 64;

/**
 * Writes a node's first data into `directory`, which is made if need be and must hold no node yet.
 * Every file in it is durable on return; the caller syncs the directory above.
 */
export function initDataDirectory(
  options: NewNode & { readonly directory: string },
): Result<void, StorageError> {
  return attempt(`creating ${options.directory}`, () => {
    const mismatch = findMismatch(options.snapshot, digestOf(options.snapshotBytes));
    assert(mismatch === null, "a snapshot's bytes are the ones its record names");
    writeNode(options, () => {
      const { snapshots } = nodeFiles(options.directory);
      writeSnapshotFile(snapshots, options.snapshot.id, options.snapshotBytes);
      return options.snapshot;
    });
  });
}

/** The same for a node that has joined: an empty log, and no configuration. */
export const initJoinedDirectory = (
  options: JoinedNode & { readonly directory: string },
): Result<void, StorageError> =>
  attempt(`creating ${options.directory}`, () =>
    writeNode(options, () => {
      // What it is sent first arrives there.
      mkdirSync(nodeFiles(options.directory).snapshots, { mode: DIRECTORY_MODE });
      return null;
    }),
  );

/**
 * Renames `staging`, in which a node was prepared, to `directory`, which must not exist or be
 * empty: after a crash there is the whole node or none.
 */
export const publishDirectory = (staging: string, directory: string): Result<void, StorageError> =>
  attempt(`creating ${directory}`, () => {
    checkIsFree(directory);
    publish(staging, directory);
  });

/**
 * Makes the directories of a whole new cluster, `directory/<node id>` each, and anything `populate`
 * adds, in a staging folder, and renames once: after a crash there is all of it or nothing. The
 * directory must not exist, or be empty.
 */
export async function createClusterDirectories(options: {
  readonly directory: string;
  readonly nodes: readonly NewNode[];
  readonly populate?: (staging: string) => Promise<void>;
}): Promise<Result<void, StorageError>> {
  const { directory, nodes, populate } = options;
  const parent = dirname(directory);
  const staging = join(parent, `.${basename(directory)}.staging-${process.pid}`);
  try {
    const prepared = attempt(`preparing ${directory}`, () => {
      checkIsFree(directory);
      rmSync(staging, { recursive: true, force: true });
      mkdirSync(parent, { recursive: true, mode: DIRECTORY_MODE });
      mkdirSync(staging, { mode: DIRECTORY_MODE });
    });
    if (!prepared.ok) return prepared;
    for (const node of nodes) {
      const made = initDataDirectory({ ...node, directory: join(staging, node.nodeId) });
      if (!made.ok) return made;
    }
    await populate?.(staging);
    return attempt(`creating ${directory}`, () => publish(staging, directory));
  } finally {
    rmSync(staging, { recursive: true, force: true });
  }
}

/** Whose directory this is, also while its node runs (then from the mark alone). */
export function readIdentity(directory: string): Result<Identity, StorageError> {
  return attempt(`reading ${directory}`, () => {
    const marked = readMarkIfThere(nodeFiles(directory).mark);
    if (marked !== null) return marked;
    return readStoredIdentity(directory);
  });
}

/** `writeSnapshot` writes what the log begins with, if it begins with something. */
function writeNode(
  options: JoinedNode & { readonly directory: string },
  writeSnapshot: () => SnapshotMeta | null,
): void {
  const { directory, clusterId, nodeId, peerId, storeId } = options;
  for (const id of [clusterId, nodeId, storeId]) {
    assert(id.length > 0 && id.length <= ID_CHARACTERS_MAX, "an id has 1 to 64 characters");
  }
  const files = nodeFiles(directory);
  mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
  if (existsSync(files.log) || existsSync(files.mark)) {
    throw new StorageFault(
      "foreign",
      `${directory} already holds a node's data; nothing was changed: choose another directory`,
    );
  }
  const identity: Identity = { clusterId, nodeId, peerId, storeId };
  const snapshot = writeSnapshot();
  const { term, index: commit } = snapshot ?? { term: NO_TERM, index: NO_INDEX };
  writeLog(files.log, { identity, snapshot, hardState: { term, votedFor: NOBODY, commit } });
  const last = snapshot === null ? ORIGIN : positionOf(snapshot);
  createMarkFile(files.mark, { identity, term, votedFor: NOBODY, last, damagedTerm: null });
  rmSync(files.wal, { force: true });
  syncPath(directory);
}

const NO_TERM = 0 as Term;
const NO_INDEX = 0 as Index;

function writeLog(
  path: string,
  first: {
    readonly identity: Identity;
    readonly snapshot: SnapshotMeta | null;
    readonly hardState: HardState;
  },
): void {
  // Made here and not by SQLite, whose files could be read by everybody.
  closeSync(openSync(path, "wx", FILE_MODE));
  const tables = createTables(path);
  try {
    tables.transact(() => {
      tables.put("identity", first.identity);
      if (first.snapshot !== null) tables.put("snapshot", first.snapshot);
      tables.put("base", first.snapshot === null ? ORIGIN : positionOf(first.snapshot));
      tables.put("hard_state", first.hardState);
    });
    tables.checkpoint("TRUNCATE");
  } finally {
    tables.close();
  }
}

function checkIsFree(directory: string): void {
  if (!existsSync(directory) || readdirSync(directory).length === 0) return;
  throw new StorageFault(
    "foreign",
    `${directory} exists already; nothing was changed: choose another directory, or start what is there`,
  );
}

function publish(staging: string, directory: string): void {
  syncTree(staging);
  renameSync(staging, directory);
  syncPath(dirname(directory));
}

/** `populate` need not sync what it writes: nothing counts before the rename. */
function syncTree(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else if (entry.isFile()) syncPath(path);
  }
  syncPath(directory);
}

function readMarkIfThere(path: string): Identity | null {
  try {
    return readMark(path)?.identity ?? null;
  } catch (thrown) {
    if (isMissing(thrown)) return null;
    throw thrown;
  }
}

function readStoredIdentity(directory: string): Identity {
  const path = nodeFiles(directory).log;
  if (!existsSync(path)) {
    throw new StorageFault("foreign", `${directory} holds no data of an nl node: check the path`);
  }
  const tables = openTables(path);
  try {
    const identity = tables.get("identity");
    if (identity !== null && identity !== "unreadable") return identity;
    throw new StorageFault("corrupt", `${directory} no longer says which node it is`);
  } finally {
    tables.close();
  }
}
