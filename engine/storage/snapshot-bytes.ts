import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { join } from "node:path";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import { DIRECTORY_MODE, FILE_MODE, syncPath } from "./node-files.ts";
import { isMissing, StorageFault } from "./storage-fault.ts";

/** What is hashed, read or written at once: well under a millisecond of the event loop. */
const PIECE_BYTES = 256 * 1024;

/** Length and SHA-256 of bytes that come one piece after the other. */
export class Digest {
  readonly #hash = createHash("sha256");
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  update(piece: Uint8Array): void {
    this.#hash.update(piece);
    this.#bytes += piece.length;
  }

  /** Of everything so far; more may follow. */
  sha256(): string {
    return this.#hash.copy().digest("hex");
  }
}

/** What is in a file; nothing when it is not there. Never holds the event loop for long. */
export async function digestFile(path: string): Promise<Digest> {
  const digest = new Digest();
  const file = await openIfThere(path);
  if (file === null) return digest;
  try {
    const piece = new Uint8Array(PIECE_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, digest.bytes);
      if (bytesRead === 0) return digest;
      digest.update(piece.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** The same at once, for a thread that nobody waits for. */
export function digestFileNow(path: string): Digest {
  const digest = new Digest();
  if (!existsSync(path)) return digest;
  const fd = openSync(path, "r");
  try {
    const piece = new Uint8Array(PIECE_BYTES);
    for (;;) {
      const length = readSync(fd, piece, 0, PIECE_BYTES, digest.bytes);
      if (length === 0) return digest;
      digest.update(piece.subarray(0, length));
    }
  } finally {
    closeSync(fd);
  }
}

/** At most `maxBytes` from `offset` on; fewer only at the end. */
export async function readPiece(
  path: string,
  offset: number,
  maxBytes: number,
): Promise<Uint8Array> {
  const file = await open(path, "r");
  try {
    const piece = new Uint8Array(maxBytes);
    let length = 0;
    while (length < maxBytes) {
      const { bytesRead } = await file.read(piece, length, maxBytes - length, offset + length);
      if (bytesRead === 0) break;
      length += bytesRead;
    }
    return piece.subarray(0, length);
  } finally {
    await file.close();
  }
}

export async function writeAll(file: FileHandle, bytes: Uint8Array, offset: number): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const left = bytes.length - written;
    const { bytesWritten } = await file.write(bytes, written, left, offset + written);
    written += bytesWritten;
  }
}

/** Null when the bytes are the ones that `snapshot` names, else what is wrong with them. */
export function findMismatch(
  snapshot: SnapshotMeta,
  digest: Pick<Digest, "bytes" | "sha256">,
): StorageError | null {
  const what = `snapshot ${snapshot.id}`;
  if (digest.bytes === 0 && snapshot.bytes > 0) {
    return { kind: "corrupt", detail: `${what} is missing` };
  }
  if (digest.bytes !== snapshot.bytes) {
    const detail = `${what} has ${digest.bytes} bytes instead of ${snapshot.bytes}: it is damaged`;
    return { kind: "corrupt", detail };
  }
  if (digest.sha256() !== snapshot.sha256) {
    return { kind: "corrupt", detail: `${what} is not what was written: its SHA-256 differs` };
  }
  return null;
}

export function digestOf(bytes: Uint8Array): Digest {
  const digest = new Digest();
  digest.update(bytes);
  return digest;
}

/** Durable on return: temporary file, fsync, rename, fsync of the folder. Throws what the disk throws. */
export function writeSnapshotFile(directory: string, id: string, bytes: Uint8Array): void {
  mkdirSync(directory, { recursive: true, mode: DIRECTORY_MODE });
  const { whole, unfinished } = snapshotPaths(directory, id);
  rmSync(unfinished, { force: true });
  const fd = openSync(unfinished, "wx", FILE_MODE);
  try {
    writeFileSync(fd, bytes);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  renameSync(unfinished, whole);
  syncPath(directory);
}

/**
 * What a crash left: files that were being made, and whole ones that the log does not name. An
 * interrupted transfer stays: it may go on.
 */
export function removeUnnamedSnapshots(directory: string, named: string): void {
  if (!existsSync(directory)) return;
  for (const name of readdirSync(directory)) {
    if (name === named || name.endsWith(PARTIAL)) continue;
    rmSync(join(directory, name), { force: true, recursive: true });
  }
}

/** Of a snapshot that is being made here, and of one that is being received. */
const UNFINISHED = ".tmp";
const PARTIAL = ".part";

/** Ids come from peers too: nothing that could leave the folder, be hidden, or be another's. */
const SAFE_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;

type SnapshotPaths = {
  readonly whole: string;
  readonly unfinished: string;
  readonly partial: string;
};

export const isPlainId = (id: string): boolean => SAFE_ID.test(id) && idOfFile(id) === id;

/** Throws a fault when the id is not a plain file name. */
export function snapshotPaths(directory: string, id: string): SnapshotPaths {
  if (!isPlainId(id)) {
    throw new StorageFault("foreign", "a snapshot's id must be a plain file name");
  }
  const whole = join(directory, id);
  return { whole, unfinished: `${whole}${UNFINISHED}`, partial: `${whole}${PARTIAL}` };
}

/** Which snapshot a file of the folder belongs to. */
export function idOfFile(name: string): string {
  const suffix = [UNFINISHED, PARTIAL].find((ending) => name.endsWith(ending)) ?? "";
  return name.slice(0, name.length - suffix.length);
}

async function openIfThere(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, "r");
  } catch (thrown) {
    if (isMissing(thrown)) return null;
    throw thrown;
  }
}
