import type { Clock } from "../platform/clock.ts";
import type { Timers } from "../platform/timers.ts";

export type PassedTicks = {
  /** Count these before anything else of the turn: they do nothing. */
  readonly quiet: number;
  /** One more, which may do something: after everything that has arrived. */
  readonly isDue: boolean;
};

/** Asleep no longer than half of the shortest election timeout: so much a stall may hide. */
const SLEEP_TICKS_MAX = 5;

/** A timer may come so much early: it is then not set once more for the rest. */
const EARLY_MILLIS = 1;

const NONE: PassedTicks = { quiet: 0, isDue: false };

/**
 * Counts ticks by the clock, and wakes the loop for those only that may do something: an idle node
 * would spend most of its time waking up ten times a second to count to ten. Whoever slept through
 * its alarm (a pause, a frozen process, a suspended machine) gets one tick for all that it missed,
 * after what arrived meanwhile: nobody may take its own absence for the leader's.
 */
export class Ticker {
  readonly #tickMillis: number;
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #onDue: (lateMillis: number) => void;
  #countedAtMillis: number;
  /** Ticks after `countedAt` that need nobody awake. */
  #quiet = 0;
  #alarm: { readonly atMillis: number; readonly cancel: () => void } | null = null;

  constructor(options: {
    readonly tickMillis: number;
    readonly timers: Timers;
    readonly clock: Clock;
    /** Time to ask `take`; later than it was meant to be by so much. */
    readonly onDue: (lateMillis: number) => void;
  }) {
    this.#tickMillis = options.tickMillis;
    this.#timers = options.timers;
    this.#clock = options.clock;
    this.#onDue = options.onDue;
    this.#countedAtMillis = options.clock.monotonicMillis();
  }

  /** What has passed since the last call. */
  take(): PassedTicks {
    const now = this.#clock.monotonicMillis();
    const elapsedMillis = now - this.#countedAtMillis + EARLY_MILLIS;
    const passed = Math.floor(elapsedMillis / this.#tickMillis);
    if (passed <= 0) return NONE;
    if (passed > this.#quiet + 1) {
      this.#countedAtMillis = now;
      return { quiet: 0, isDue: true };
    }
    this.#countedAtMillis += passed * this.#tickMillis;
    const quiet = Math.min(passed, this.#quiet);
    this.#quiet -= quiet;
    return { quiet, isDue: passed > quiet };
  }

  /** At the end of a turn: how many ticks nobody needs to be awake for. */
  sleep(quietTicks: number): void {
    this.#quiet = Math.min(quietTicks, SLEEP_TICKS_MAX - 1);
    const atMillis = this.#countedAtMillis + (this.#quiet + 1) * this.#tickMillis;
    // An alarm that is too early costs one look; to move it on every message would cost more.
    if (this.#alarm !== null && this.#alarm.atMillis <= atMillis) return;
    this.#alarm?.cancel();
    const now = this.#clock.monotonicMillis();
    const cancel = this.#timers.after(Math.max(0, atMillis - now), () => {
      this.#alarm = null;
      this.#onDue(Math.max(0, this.#clock.monotonicMillis() - Math.max(atMillis, now)));
    });
    this.#alarm = { atMillis, cancel };
  }

  stop(): void {
    this.#alarm?.cancel();
    this.#alarm = null;
  }
}
