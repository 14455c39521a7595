import type { Index, Term } from "../../../engine/lib/ids.ts";
import type { Entry } from "../../../engine/raft/types.ts";

/** What became of a proposal. Only `done` and `refused` are certain. */
export type Answer =
  | { readonly kind: "done"; readonly index: Index; readonly result: number }
  /** Never entered the log. */
  | { readonly kind: "refused" }
  /** Another entry is committed in its place. */
  | { readonly kind: "dropped" }
  /** A snapshot has overtaken it. */
  | { readonly kind: "unknown" };

type Waiter = {
  readonly index: Index;
  readonly term: Term;
  readonly done: (answer: Answer) => void;
};

type Reader = (index: Index | null) => void;

/** Who waits, in one life of a process, for an entry to be applied or for a read to be confirmed. */
export class CoreWaiters {
  #waiters: Waiter[] = [];
  readonly #asked = new Map<number, Reader>();
  #confirmed: { readonly index: Index; readonly reader: Reader }[] = [];

  /** Who could have been answered by now; an entry that was cut off may have no successor yet. */
  countDue(applied: Index): number {
    const due = this.#waiters.filter(({ index }) => index <= applied);
    return due.length + this.#confirmed.length;
  }

  add(waiter: Waiter): void {
    this.#waiters.push(waiter);
  }

  applied({ index, term }: Entry, result: number): void {
    this.#settle(
      (waiter) => waiter.index === index,
      (waiter) => (waiter.term === term ? { kind: "done", index, result } : { kind: "dropped" }),
    );
  }

  dropped(index: Index, term: Term): void {
    this.#settle(
      (waiter) => waiter.index === index && waiter.term === term,
      () => ({ kind: "dropped" }),
    );
  }

  restored(index: Index): void {
    this.#settle(
      (waiter) => waiter.index <= index,
      () => ({ kind: "unknown" }),
    );
  }

  read(ctx: number, reader: Reader): void {
    this.#asked.set(ctx, reader);
  }

  readAnswered(ctx: number, index: Index | null, applied: Index): void {
    const reader = this.#asked.get(ctx);
    this.#asked.delete(ctx);
    if (reader === undefined) return;
    if (index === null || index <= applied) reader(index);
    else this.#confirmed.push({ index, reader });
  }

  /** The state machine is at `applied` now. */
  reached(applied: Index): void {
    if (this.#confirmed.length === 0) return;
    const due = this.#confirmed.filter(({ index }) => index <= applied);
    this.#confirmed = this.#confirmed.filter(({ index }) => index > applied);
    for (const { index, reader } of due) reader(index);
  }

  #settle(isDue: (waiter: Waiter) => boolean, answer: (waiter: Waiter) => Answer): void {
    if (!this.#waiters.some(isDue)) return;
    const due = this.#waiters.filter(isDue);
    this.#waiters = this.#waiters.filter((waiter) => !isDue(waiter));
    for (const waiter of due) waiter.done(answer(waiter));
  }
}
