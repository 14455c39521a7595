import { backoffMillis } from "../lib/backoff.ts";
import { untilNextLook } from "../lib/next-look.ts";
import type { Clock } from "../platform/clock.ts";
import type { Random } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";

const FRACTIONS = 2 ** 32;

/** A call that is repeated for as long as the node runs: every period, and soon after a failure. */
export class RepeatedCall {
  readonly #options: RepeatedCallOptions;
  #failures = 0;
  #calledAtMillis = 0;
  #isStopped = false;
  #cancel: () => void = () => {};

  constructor(options: RepeatedCallOptions) {
    this.#options = options;
  }

  /** Calls at once, and again when due. */
  now(): void {
    if (this.#isStopped) return;
    this.#calledAtMillis = this.#options.clock.monotonicMillis();
    this.#again(untilNextLook(this.#calledAtMillis, this.#options.periodMillis));
    this.#options.call();
  }

  /** Something changed that may have been what the last call failed for. */
  nudge(): void {
    if (this.#failures === 0) return;
    const agoMillis = this.#options.clock.monotonicMillis() - this.#calledAtMillis;
    if (agoMillis >= this.#options.failedMillis) this.now();
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** Tries again before the period is over. */
  failed(): void {
    if (this.#isStopped) return;
    const { random, failedMillis, periodMillis } = this.#options;
    const delay = backoffMillis({
      attempt: this.#failures,
      baseMillis: failedMillis,
      maxMillis: periodMillis,
      fraction: random.below(FRACTIONS) / FRACTIONS,
    });
    this.#failures += 1;
    this.#again(Math.max(1, delay));
  }

  /** Until the next `now`. */
  pause(): void {
    this.#cancel();
    this.#failures = 0;
  }

  stop(): void {
    this.#isStopped = true;
    this.#cancel();
  }

  #again(millis: number): void {
    this.#cancel();
    this.#cancel = this.#options.timers.after(millis, () => this.now());
  }
}

type RepeatedCallOptions = {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly periodMillis: number;
  readonly failedMillis: number;
  readonly call: () => void;
};
