import type { Index, Term } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { Applied, ProposeFailure } from "./replica.ts";

type Waiter = {
  readonly term: Term;
  readonly expiresAtMillis: number;
  readonly done: Done<Applied, ProposeFailure>;
};

/**
 * Who waits for which (index, term). One record per proposal and no timer of its own: all wait
 * equally long, so the map's order of insertion is the order of expiry.
 */
export class Waiters {
  readonly #byIndex = new Map<Index, Waiter>();

  get size(): number {
    return this.#byIndex.size;
  }

  add(index: Index, waiter: Waiter): void {
    // Our entry of an earlier term was at this index: gone from this log, but another node that
    // still holds it may lead next, so nothing is known about it.
    this.#take(index)?.done(err({ kind: "indefinite" }));
    this.#byIndex.set(index, waiter);
  }

  /**
   * The entry at `applied.index` was applied here: another term there has overwritten ours. Gives
   * who had waited for just this entry.
   */
  settle(applied: Applied): Waiter | null {
    const waiter = this.#take(applied.index);
    if (waiter === undefined) return null;
    const isMeant = waiter.term === applied.term;
    waiter.done(isMeant ? ok(applied) : err({ kind: "dropped" }));
    return isMeant ? waiter : null;
  }

  /** The core knows that this entry can never commit. */
  drop(index: Index, term: Term): void {
    if (this.#byIndex.get(index)?.term !== term) return;
    this.#take(index)?.done(err({ kind: "dropped" }));
  }

  /** A snapshot holds what became of the entries up to `index`: whoever waits has to ask by id. */
  overtake(index: Index): void {
    for (const [at, waiter] of this.#byIndex) {
      if (at > index) continue;
      this.#byIndex.delete(at);
      waiter.done(err({ kind: "indefinite" }));
    }
  }

  expire(nowMillis: number): void {
    for (const [index, waiter] of this.#byIndex) {
      if (waiter.expiresAtMillis > nowMillis) break;
      this.#byIndex.delete(index);
      waiter.done(err({ kind: "indefinite" }));
    }
  }

  /** This node will not learn what becomes of them. */
  abandon(): void {
    this.expire(Number.POSITIVE_INFINITY);
  }

  #take(index: Index): Waiter | undefined {
    const waiter = this.#byIndex.get(index);
    if (waiter !== undefined) this.#byIndex.delete(index);
    return waiter;
  }
}
