import { statfsSync } from "node:fs";

/** A disk does not fill much in this time, and a task may write thousands of times. */
const LOOK_MILLIS = 1_000;

/** Says whether new output is kept: not on a disk that is low (SEMANTICS S17). */
export function outputRoom(folder: string, minFreeBytes: number): () => boolean {
  let lookedAt = Number.NEGATIVE_INFINITY;
  let hasRoom = true;
  return () => {
    const now = performance.now();
    if (now - lookedAt < LOOK_MILLIS) return hasRoom;
    lookedAt = now;
    try {
      const { bavail, bsize } = statfsSync(folder);
      hasRoom = bavail * bsize >= minFreeBytes;
    } catch {
      // A disk that cannot be asked shows at the write what it can do.
      hasRoom = true;
    }
    return hasRoom;
  };
}
