import { createHash } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "../lib/assert.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotStore } from "../platform/snapshot-store.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import { DIRECTORY_MODE, FILE_MODE, syncPath } from "./node-files.ts";
import { isMissing, toStorageError } from "./storage-fault.ts";

/** The bytes of snapshots: one file each, in the folder `snapshots` of a node's directory. */
export class SnapshotFiles implements SnapshotStore {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  read(snapshot: SnapshotMeta, done: Done<Uint8Array, StorageError>): void {
    // The promise never rejects: `readVerified` catches.
    readVerified(snapshotPath(this.#directory, snapshot.id), snapshot).then(done, done);
  }
}

/** Durable on return: temporary file, fsync, rename, fsync of the folder. Throws what the disk throws. */
export function writeSnapshotFile(directory: string, id: string, bytes: Uint8Array): void {
  mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
  const path = snapshotPath(directory, id);
  const temporary = `${path}.tmp`;
  rmSync(temporary, { force: true });
  const fd = openSync(temporary, "wx", FILE_MODE);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(temporary, path);
  syncPath(directory);
}

export const sha256Hex = (bytes: Uint8Array): string =>
  createHash("sha256").update(bytes).digest("hex");

/** Null when the bytes are the ones that `snapshot` names, else what is wrong with them. */
export function findMismatch(snapshot: SnapshotMeta, bytes: Uint8Array): StorageError | null {
  const what = `snapshot ${snapshot.id}`;
  if (bytes.length !== snapshot.bytes) {
    const detail = `${what} has ${bytes.length} bytes instead of ${snapshot.bytes}: it is damaged`;
    return { kind: "corrupt", detail };
  }
  if (sha256Hex(bytes) !== snapshot.sha256) {
    return { kind: "corrupt", detail: `${what} is not what was written: its SHA-256 differs` };
  }
  return null;
}

async function readVerified(
  path: string,
  snapshot: SnapshotMeta,
): Promise<Result<Uint8Array, StorageError>> {
  try {
    const bytes = await readFile(path);
    const mismatch = findMismatch(snapshot, bytes);
    return mismatch === null ? ok(bytes) : err(mismatch);
  } catch (thrown) {
    if (isMissing(thrown)) return err({ kind: "corrupt", detail: `${path} is missing` });
    return err(toStorageError(`reading ${path}`, thrown));
  }
}

/** Ids come from peers too: nothing that could leave the folder. */
const SAFE_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;

function snapshotPath(directory: string, id: string): string {
  assert(SAFE_ID.test(id), "a snapshot's id is a plain file name");
  return join(directory, id);
}
