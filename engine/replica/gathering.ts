import type { Index } from "../lib/ids.ts";

/** A batch that takes longer is waiting for a far or a slow quorum: the next one follows at once. */
const GATHER_MILLIS_MAX = 20;

/**
 * Group commit: while a batch of proposals is on its way to a quorum, what arrives gathers and goes
 * together when it is there. Under load every round then carries what one round can, and each
 * costs three nodes a turn, a frame and an fsync; alone, nobody waits for anything. (Batching and
 * pipelining: Ongaro, PhD thesis, §10.2.2 and §10.2.3.)
 */
export class Gathering {
  #last = 0 as Index;
  #sinceMillis = 0;

  /** Whether proposals that wait are better kept for the next batch. */
  isUnderWay(commit: Index, nowMillis: number): boolean {
    return this.#last > commit && nowMillis - this.#sinceMillis < GATHER_MILLIS_MAX;
  }

  /** A batch that ends with the entry at `last` has been proposed. */
  noteProposed(last: Index, nowMillis: number): void {
    this.#last = last;
    this.#sinceMillis = nowMillis;
  }

  /** Another role: nothing is on its way any more that could be waited for. */
  stop(): void {
    this.#last = 0 as Index;
  }
}
