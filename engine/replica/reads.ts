import type { Index } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";

export type ReadFailure = "no-leader" | "timed-out" | "stopped";

type Barrier = {
  readonly expiresAtMillis: number;
  /** Content with the round that the next tick begins anyway, and with ticks that come late. */
  readonly isPatient: boolean;
  readonly done: Done<Index, ReadFailure>;
};

/** Rounds of ReadIndex in flight; further barriers share the next one. */
const ROUNDS_MAX = 4;
/** Barriers waiting in all; beyond it a new one is answered as timed out. */
const BARRIERS_MAX = 16_384;

/**
 * Linearizable reads by ReadIndex (thesis §6.4): the barriers of one turn share one round, and are
 * answered once the index it returned is applied here.
 */
export class Reads {
  #waiting: Barrier[] = [];
  #patient: Barrier[] = [];
  readonly #rounds = new Map<number, { readonly askedAtMillis: number; barriers: Barrier[] }>();
  /** Confirmed, but not yet applied; in order of confirmation, so nearly in order of index. */
  #confirmed: { readonly index: Index; readonly barriers: readonly Barrier[] }[] = [];
  #nextCtx: number;
  #count = 0;
  #patientCount = 0;

  /** `firstCtx` is random: an answer queued for an earlier life of this process cannot match. */
  constructor(firstCtx: number) {
    this.#nextCtx = firstCtx;
  }

  /** True while somebody waits, for a round or its answer, who is not patient. */
  get isUrgent(): boolean {
    return this.#count > this.#patientCount;
  }

  /** False: there are too many already. */
  add(barrier: Barrier): boolean {
    if (this.#count >= BARRIERS_MAX) return false;
    this.#count += 1;
    if (barrier.isPatient) {
      this.#patientCount += 1;
      this.#patient.push(barrier);
    } else this.#waiting.push(barrier);
    return true;
  }

  /** The context to ask the core about, or null when nobody waits for a new round. */
  beginRound(nowMillis: number, isTick: boolean): number | null {
    const isWanted = this.#waiting.length > 0 || (isTick && this.#patient.length > 0);
    if (!isWanted || this.#rounds.size >= ROUNDS_MAX) return null;
    const ctx = this.#nextCtx;
    this.#nextCtx += 1;
    const barriers = [...this.#waiting, ...this.#patient];
    this.#rounds.set(ctx, { askedAtMillis: nowMillis, barriers });
    this.#waiting = [];
    this.#patient = [];
    return ctx;
  }

  /** `index` null: nobody here or there can confirm it. */
  onAnswer(ctx: number, index: Index | null): void {
    const round = this.#rounds.get(ctx);
    if (round === undefined) return;
    this.#rounds.delete(ctx);
    if (index === null) this.#fail(round.barriers, "no-leader");
    else this.#confirmed.push({ index, barriers: round.barriers });
  }

  onApplied(applied: Index): void {
    if (this.#confirmed.length === 0) return;
    const reached = this.#confirmed.filter((round) => round.index <= applied);
    if (reached.length === 0) return;
    this.#confirmed = this.#confirmed.filter((round) => round.index > applied);
    for (const { index, barriers } of reached) {
      this.#forget(barriers);
      for (const barrier of barriers) barrier.done(ok(index));
    }
  }

  /** Asks again what was lost on the way, and gives up what waited too long. Once per tick. */
  onTick(nowMillis: number, retryMillis: number): void {
    if (this.#count === 0) return;
    for (const [ctx, round] of this.#rounds) {
      if (nowMillis - round.askedAtMillis < retryMillis) continue;
      this.#rounds.delete(ctx);
      this.#waiting = [...round.barriers, ...this.#waiting];
    }
    this.#waiting = this.#expire(this.#waiting, nowMillis);
    this.#patient = this.#expire(this.#patient, nowMillis);
    for (const round of this.#rounds.values()) {
      round.barriers = this.#expire(round.barriers, nowMillis);
    }
    this.#confirmed = this.#confirmed
      .map(({ index, barriers }) => ({ index, barriers: this.#expire(barriers, nowMillis) }))
      .filter(({ barriers }) => barriers.length > 0);
  }

  abandon(): void {
    const rounds = [...this.#rounds.values(), ...this.#confirmed];
    const unasked = [...this.#waiting, ...this.#patient];
    const barriers = [...unasked, ...rounds.flatMap((round) => round.barriers)];
    this.#waiting = [];
    this.#patient = [];
    this.#rounds.clear();
    this.#confirmed = [];
    this.#fail(barriers, "stopped");
  }

  #expire(barriers: readonly Barrier[], nowMillis: number): Barrier[] {
    const expired = barriers.filter((barrier) => barrier.expiresAtMillis <= nowMillis);
    if (expired.length === 0) return [...barriers];
    this.#fail(expired, "timed-out");
    return barriers.filter((barrier) => barrier.expiresAtMillis > nowMillis);
  }

  #fail(barriers: readonly Barrier[], reason: ReadFailure): void {
    this.#forget(barriers);
    for (const barrier of barriers) barrier.done(err(reason));
  }

  #forget(barriers: readonly Barrier[]): void {
    this.#count -= barriers.length;
    for (const { isPatient } of barriers) if (isPatient) this.#patientCount -= 1;
  }
}
