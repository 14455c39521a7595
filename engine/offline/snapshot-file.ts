import { type FileHandle, link, open, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { crc32c } from "../lib/crc32c.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import type { ClusterState } from "../state/create-state.ts";
import { StateLoader } from "../state/state-loader.ts";
import { Digest, findMismatch, writeAll } from "../storage/snapshot-bytes.ts";

/**
 * A snapshot that an operator keeps: one line, then the bytes as a node stores them.
 *
 *     "nl-snapshot 1 " crc32c:8 hex " " snapshot record as JSON "\n"   bytes
 *
 * The checksum covers the JSON; the record has the length and the SHA-256 of the bytes.
 */
const MAGIC = "nl-snapshot 1 ";
const CRC_DIGITS = 8;
const JSON_FROM = MAGIC.length + CRC_DIGITS + 1;
const HEAD_BYTES_MAX = 64 * 1024;
const PIECE_BYTES = 256 * 1024;
const FILE_MODE = 0o600;
const NEWLINE = 0x0a;

export type SavedSnapshot = { readonly snapshot: SnapshotMeta; readonly state: ClusterState };

/** Reads and checks all of it. Throws what the file system throws; damage is one sentence. */
export async function readSnapshotFile(path: string): Promise<Result<SavedSnapshot, NlError>> {
  const file = await open(path, "r");
  try {
    const head = await readHead(file);
    if (!head.ok) return err(refusal(path, head.error));
    const state = await readState(file, head.value);
    if (!state.ok) return err(refusal(path, state.error));
    return ok({ snapshot: head.value.snapshot, state: state.value });
  } finally {
    await file.close();
  }
}

/**
 * Writes a snapshot as its pieces arrive: the file appears once it is whole, checked and durable,
 * and what stood there before goes only then. Throws what the file system throws.
 */
export async function writeSnapshotFile(
  path: string,
  options: {
    readonly snapshot: SnapshotMeta;
    readonly pieces: AsyncIterable<Result<Uint8Array, NlError>>;
    readonly mayReplace: boolean;
    readonly onProgress: (bytes: number) => void;
  },
): Promise<Result<void, NlError>> {
  const unfinished = `${path}.unfinished-${process.pid}`;
  await rm(unfinished, { force: true });
  try {
    const written = await writeUnfinished(unfinished, options);
    if (!written.ok) return written;
    if (options.mayReplace) await rename(unfinished, path);
    // A link, unlike a rename, never takes the place of a file that has appeared meanwhile.
    else await link(unfinished, path);
    await syncFolder(dirname(path));
    return written;
  } finally {
    await rm(unfinished, { force: true });
  }
}

type Head = { readonly snapshot: SnapshotMeta; readonly bytes: number };

const NOT_OURS = "it is not a snapshot that nl saved";
const DAMAGED_HEAD = "it is damaged: its first line is not what was written";

async function readHead(file: FileHandle): Promise<Result<Head, string>> {
  const start = new Uint8Array(HEAD_BYTES_MAX);
  const { bytesRead } = await file.read(start, 0, HEAD_BYTES_MAX, 0);
  const text = new TextDecoder().decode(start.subarray(0, MAGIC.length));
  if (bytesRead === 0) return err("it is empty");
  if (text !== MAGIC) return err(NOT_OURS);
  const end = start.subarray(0, bytesRead).indexOf(NEWLINE);
  if (end < JSON_FROM) return err(DAMAGED_HEAD);
  const crc = new TextDecoder().decode(start.subarray(MAGIC.length, JSON_FROM));
  const json = start.subarray(JSON_FROM, end);
  if (crc !== `${crcText(json)} `) return err(DAMAGED_HEAD);
  // The checksum says that it was written by `encodeHead`.
  const snapshot = JSON.parse(new TextDecoder().decode(json)) as SnapshotMeta;
  return ok({ snapshot, bytes: end + 1 });
}

async function readState(file: FileHandle, head: Head): Promise<Result<ClusterState, string>> {
  const { snapshot } = head;
  const digest = new Digest();
  const loader = new StateLoader();
  const piece = new Uint8Array(PIECE_BYTES);
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, PIECE_BYTES, head.bytes + digest.bytes);
    if (bytesRead === 0) break;
    digest.update(piece.subarray(0, bytesRead));
    loader.feed(piece.subarray(0, bytesRead));
    const worked = loader.work(Number.POSITIVE_INFINITY);
    if (!worked.ok) return worked;
  }
  const mismatch = findMismatch(snapshot, digest);
  if (mismatch !== null) return err(mismatch.detail);
  const state = loader.loaded();
  if (!state.ok || state.value.appliedIndex === snapshot.index) return state;
  return err(`it holds the state at ${state.value.appliedIndex}, not at ${snapshot.index}`);
}

async function writeUnfinished(
  path: string,
  options: Parameters<typeof writeSnapshotFile>[1],
): Promise<Result<void, NlError>> {
  const head = encodeHead(options.snapshot);
  const digest = new Digest();
  const file = await open(path, "wx", FILE_MODE);
  try {
    await writeAll(file, head, 0);
    for await (const piece of options.pieces) {
      if (!piece.ok) return piece;
      await writeAll(file, piece.value, head.length + digest.bytes);
      digest.update(piece.value);
      options.onProgress(digest.bytes);
    }
    const mismatch = findMismatch(options.snapshot, digest);
    if (mismatch !== null) return err(nlError("refused", mismatch.detail, "save it again"));
    await file.sync();
    return ok(undefined);
  } finally {
    await file.close();
  }
}

function encodeHead(snapshot: SnapshotMeta): Uint8Array {
  const json = JSON.stringify(snapshot);
  const crc = crcText(new TextEncoder().encode(json));
  return new TextEncoder().encode(`${MAGIC}${crc} ${json}\n`);
}

const crcText = (bytes: Uint8Array): string =>
  crc32c(0, bytes).toString(16).padStart(CRC_DIGITS, "0");

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, "r");
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

const refusal = (path: string, why: string): NlError =>
  nlError(
    "refused",
    `${path}: ${why}`,
    "take another copy of it, or save a new one: nl snapshot save",
  );
