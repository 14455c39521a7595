import type { UnixMillis } from "../lib/ids.ts";

export interface Clock {
  /** Wall-clock time: for what users read and what the leader stamps. May jump. */
  now(): UnixMillis;
  /** Milliseconds since an arbitrary start, never going back, counting suspend (leases). */
  monotonicMillis(): number;
}
