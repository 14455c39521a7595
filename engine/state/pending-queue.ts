import type { UnixMillis } from "../lib/ids.ts";
import { SortedChunks } from "./sorted-chunks.ts";

const ORDINALS = 2 ** 40;
const PRIORITY_MAX = 100;

/** One number that sorts by priority (higher first), then by submit order. */
export function queueKey(priority: number, ordinal: number): number {
  const bounded = Math.min(PRIORITY_MAX, Math.max(0, priority));
  return (PRIORITY_MAX - bounded) * ORDINALS + ordinal;
}

export const ordinalOf = (key: number): number => key % ORDINALS;

export type Waiting = { readonly key: number; readonly notBefore: UnixMillis | null };

type Delayed = { readonly key: number; readonly notBefore: UnixMillis };

/**
 * Pending jobs by their queue keys: those that may start, in queue order, and those in backoff, by
 * the time they wait for. A job whose time has come in replicated time moves to the first set.
 * Mutable; owned by the state store.
 */
export class PendingQueue {
  readonly #ready = new SortedChunks<number>((a, b) => a - b);
  readonly #delayed = new SortedChunks<Delayed>(
    (a, b) => a.notBefore - b.notBefore || a.key - b.key,
  );

  get size(): number {
    return this.#ready.size + this.#delayed.size;
  }

  add(waiting: Waiting, now: UnixMillis): void {
    if (waiting.notBefore === null || waiting.notBefore <= now) this.#ready.insert(waiting.key);
    else this.#delayed.insert({ key: waiting.key, notBefore: waiting.notBefore });
  }

  remove(waiting: Waiting): void {
    if (waiting.notBefore !== null) {
      const delayed = { key: waiting.key, notBefore: waiting.notBefore };
      if (this.#delayed.remove(delayed)) return;
    }
    this.#ready.remove(waiting.key);
  }

  /** Replicated time has come this far. */
  advance(now: UnixMillis): void {
    for (let next = this.#delayed.first(); next !== undefined; next = this.#delayed.first()) {
      if (next.notBefore > now) return;
      this.#delayed.remove(next);
      this.#ready.insert(next.key);
    }
  }

  /** Those that may start at `now`, in queue order. */
  ready(now: UnixMillis): IterableIterator<number> {
    return this.#merged(this.#delayedUntil(now));
  }

  /** Everything in queue order. Sorts all that is delayed: for people's questions. */
  all(): IterableIterator<number> {
    return this.#merged(this.#delayedUntil(Number.POSITIVE_INFINITY));
  }

  nextDueAt(now: UnixMillis): UnixMillis | null {
    for (const { notBefore } of this.#delayed) if (notBefore > now) return notBefore;
    return null;
  }

  #delayedUntil(now: number): readonly number[] {
    const keys: number[] = [];
    for (const { key, notBefore } of this.#delayed) {
      if (notBefore > now) break;
      keys.push(key);
    }
    return keys.sort((a, b) => a - b);
  }

  *#merged(others: readonly number[]): IterableIterator<number> {
    let position = 0;
    for (const key of this.#ready) {
      for (let early = others[position]; early !== undefined && early < key; ) {
        yield early;
        position += 1;
        early = others[position];
      }
      yield key;
    }
    yield* others.slice(position);
  }
}
