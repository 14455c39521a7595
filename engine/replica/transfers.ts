import type { PeerId, Term } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { ProgressView, TransferOutcome } from "../raft/types.ts";

type Transfer = {
  readonly to: PeerId;
  readonly expiresAtMillis: number;
  readonly done: Done<Term, TransferOutcome | "not-leader">;
};

/** Who waits for which leadership transfer. */
export class Transfers {
  #waiting: Transfer[] = [];

  get size(): number {
    return this.#waiting.length;
  }

  add(transfer: Transfer): void {
    this.#waiting.push(transfer);
  }

  settle(to: PeerId, outcome: TransferOutcome, term: Term): void {
    const settled = this.#remove((transfer) => transfer.to === to);
    for (const { done } of settled) done(outcome === "done" ? ok(term) : err(outcome));
  }

  expire(nowMillis: number): void {
    if (this.#waiting.length === 0) return;
    const expired = this.#remove((transfer) => transfer.expiresAtMillis <= nowMillis);
    for (const { done } of expired) done(err("timed-out"));
  }

  abandon(): void {
    for (const { done } of this.#remove(() => true)) done(err("lost-leadership"));
  }

  #remove(isWanted: (transfer: Transfer) => boolean): readonly Transfer[] {
    const removed = this.#waiting.filter(isWanted);
    this.#waiting = this.#waiting.filter((transfer) => !isWanted(transfer));
    return removed;
  }
}

/** The voter that can take over soonest: it answers, and has most of the log. */
export function bestSuccessor(
  progress: readonly ProgressView[],
  self: PeerId,
): ProgressView | undefined {
  return progress
    .filter((peer) => peer.id !== self && peer.active && !peer.learner)
    .sort((left, right) => right.match - left.match || left.id - right.id)[0];
}
