import type { UnixMillis } from "./ids.ts";

/**
 * Wall-clock time that goes on as a monotonic clock does, whatever the wall clock does meanwhile:
 * it jumps forward when it is told of a later time, and it neither goes back nor stands still.
 */
export class SteadyTime {
  /** Not rounded: many short steps must add up. */
  #at: number;
  #monotonicMillis: number;

  constructor(start: UnixMillis, monotonicMillis: number) {
    this.#at = start;
    this.#monotonicMillis = monotonicMillis;
  }

  /** Whole milliseconds, at least `floor`. */
  at(floor: number, monotonicMillis: number): UnixMillis {
    const passedMillis = Math.max(0, monotonicMillis - this.#monotonicMillis);
    this.#monotonicMillis += passedMillis;
    this.#at = Math.max(floor, this.#at + passedMillis);
    return Math.floor(this.#at) as UnixMillis;
  }
}
