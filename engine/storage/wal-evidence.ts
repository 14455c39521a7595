import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { isMissing } from "./storage-fault.ts";

/**
 * SQLite takes the first bad frame of a WAL for its end, and says nothing. But every transaction is
 * synced before the next one begins, and each process life starts an empty WAL: so a commit that
 * has any frame of the same WAL after it was durable, and must still be there after recovery.
 */

const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
export const PAGE_BYTES = 4096;
export const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;

/**
 * The number of frames that were certainly durable (format: sqlite.org/fileformat2.html §4). Fewer
 * frames after recovery mean corruption, not a torn tail. Call it before SQLite opens the file.
 */
export function countDurableFrames(walPath: string): number {
  const fd = openIfThere(walPath);
  if (fd === null) return 0;
  try {
    const count = Math.floor((fstatSync(fd).size - WAL_HEADER_BYTES) / FRAME_BYTES);
    return count < 1 ? 0 : lastProvenFrame(fd, count);
  } finally {
    closeSync(fd);
  }
}

function lastProvenFrame(fd: number, count: number): number {
  const salts = saltsOfWal(fd);
  let proven = 0;
  let lastCommit = 0;
  for (let frame = 1; frame <= count; frame++) {
    const header = readAt(fd, frameOffset(frame), FRAME_HEADER_BYTES);
    if (header.getUint32(8) !== salts.first || header.getUint32(12) !== salts.second) continue;
    if (lastCommit > 0) proven = lastCommit;
    const isCommit = header.getUint32(4) !== 0;
    if (isCommit) lastCommit = frame;
  }
  return proven;
}

/** Salts tell this WAL's frames from older ones behind them. A broken header leaves frame 1's. */
function saltsOfWal(fd: number): { readonly first: number; readonly second: number } {
  const header = readAt(fd, 0, WAL_HEADER_BYTES);
  if (isHeaderWhole(header)) return { first: header.getUint32(16), second: header.getUint32(20) };
  const frame = readAt(fd, frameOffset(1), FRAME_HEADER_BYTES);
  return { first: frame.getUint32(8), second: frame.getUint32(12) };
}

const MAGIC_BIG_ENDIAN = 0x377f0683;

/** The header's checksum, as sqlite.org/fileformat2.html §4.2 defines it. */
function isHeaderWhole(header: DataView): boolean {
  const isLittleEndian = header.getUint32(0) !== MAGIC_BIG_ENDIAN;
  let sum1 = 0;
  let sum2 = 0;
  for (let at = 0; at < 24; at += 8) {
    sum1 = (sum1 + header.getUint32(at, isLittleEndian) + sum2) >>> 0;
    sum2 = (sum2 + header.getUint32(at + 4, isLittleEndian) + sum1) >>> 0;
  }
  return header.getUint32(24) === sum1 && header.getUint32(28) === sum2;
}

const frameOffset = (frame: number): number => WAL_HEADER_BYTES + (frame - 1) * FRAME_BYTES;

function readAt(fd: number, offset: number, length: number): DataView {
  const bytes = new Uint8Array(length);
  readSync(fd, bytes, 0, length, offset);
  return new DataView(bytes.buffer);
}

function openIfThere(path: string): number | null {
  try {
    return openSync(path, "r");
  } catch (thrown) {
    if (isMissing(thrown)) return null;
    throw thrown;
  }
}
