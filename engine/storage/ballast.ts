import { dlopen, FFIType } from "bun:ffi";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync, writeSync } from "node:fs";
import { BALLAST_BYTES } from "./judge-disk.ts";
import { FILE_MODE, nodeFiles } from "./node-files.ts";

/** The file `ballast`: blocks of the disk that are set aside for the day when it is full. */

export const hasBallast = (directory: string): boolean =>
  statSync(nodeFiles(directory).ballast, { throwIfNoEntry: false }) !== undefined;

/** All of it or nothing. Throws what the disk throws. */
export function makeBallast(directory: string): void {
  const { ballast } = nodeFiles(directory);
  const unfinished = `${ballast}.new`;
  const fd = openSync(unfinished, "w", FILE_MODE);
  try {
    if (!allocate(fd)) writeZeros(fd);
    fsyncSync(fd);
    renameSync(unfinished, ballast);
  } catch (thrown) {
    rmSync(unfinished, { force: true });
    throw thrown;
  } finally {
    closeSync(fd);
  }
}

export function releaseBallast(directory: string): void {
  const { ballast } = nodeFiles(directory);
  for (const path of [ballast, `${ballast}.new`]) rmSync(path, { force: true });
}

/** Blocks without writing them: false where the C library has no such call, or refuses. */
function allocate(fd: number): boolean {
  try {
    const libc = dlopen("libc.so.6", {
      posix_fallocate: { args: [FFIType.i32, FFIType.i64, FFIType.i64], returns: FFIType.i32 },
    });
    const status = libc.symbols.posix_fallocate(fd, 0, BALLAST_BYTES);
    libc.close();
    return status === 0;
  } catch {
    return false;
  }
}

function writeZeros(fd: number): void {
  const zeros = new Uint8Array(1024 * 1024);
  for (let at = 0; at < BALLAST_BYTES; at += zeros.length)
    writeSync(fd, zeros, 0, zeros.length, at);
}
