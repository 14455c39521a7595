/** What was found on the disk of a data directory. */
export type DiskState = {
  /** What this user may still write. */
  readonly freeBytes: number;
  readonly hasBallast: boolean;
  /** The last judgement. */
  readonly wasLow: boolean;
};

export type DiskJudgement = {
  /** No new work is taken. */
  readonly isLow: boolean;
  readonly ballast: "release" | "make" | "leave";
};

/** Given back when the disk is full, so that the log can be opened and compacted (SEMANTICS S17). */
export const BALLAST_BYTES = 64 * 1024 * 1024;
/** So little is full: the next transactions may not fit. */
export const FULL_BYTES = 16 * 1024 * 1024;
/** A shortage ends above its limit, so that a node does not change its mind with every file. */
const ENOUGH = 1.1;

/** Pure: the same disk gives the same judgement. */
export function judgeDisk(state: DiskState, minFreeBytes: number): DiskJudgement {
  const { freeBytes, hasBallast, wasLow } = state;
  const isLow = freeBytes < minFreeBytes * (wasLow ? ENOUGH : 1);
  if (hasBallast) return { isLow, ballast: freeBytes < FULL_BYTES ? "release" : "leave" };
  // Never so that making it is what brings the shortage.
  const isAmple = freeBytes >= Math.max(minFreeBytes * ENOUGH, FULL_BYTES) + BALLAST_BYTES;
  return { isLow, ballast: isAmple && !isLow ? "make" : "leave" };
}
