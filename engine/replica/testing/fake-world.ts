import type { UnixMillis } from "../../lib/ids.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Random } from "../../platform/random.ts";
import type { Timers } from "../../platform/timers.ts";

type Event = { readonly at: number; readonly order: number; readonly run: () => void };

const WALL_START_MILLIS = 1_700_000_000_000;

/** Virtual time for unit tests: events run in order of time, then of scheduling. */
export class FakeWorld {
  #now = 0;
  #wallSkew = 0;
  #order = 0;
  #events: Event[] = [];
  #seed = 1;

  readonly clock: Clock = {
    now: () => (WALL_START_MILLIS + this.#wallSkew + this.#now) as UnixMillis,
    monotonicMillis: () => this.#now,
  };

  readonly timers: Timers = {
    after: (millis, callback) => this.#schedule(millis, callback),
    soon: (callback) => {
      this.#schedule(0, callback);
    },
  };

  readonly random: Random = {
    below: (n) => {
      this.#seed = (Math.imul(this.#seed, 1_664_525) + 1_013_904_223) >>> 0;
      return Math.floor((this.#seed / 2 ** 32) * n);
    },
  };

  /** Runs everything that is due within the next `millis`. */
  advance(millis: number): void {
    const end = this.#now + millis;
    for (let next = this.#events[0]; next !== undefined && next.at <= end; ) {
      this.#events.shift();
      this.#now = Math.max(this.#now, next.at);
      next.run();
      next = this.#events[0];
    }
    this.#now = end;
  }

  /** Somebody sets the wall clocks; nothing else changes. */
  jumpWall(millis: number): void {
    this.#wallSkew += millis;
  }

  /** Time passes, and nothing runs: what became due meanwhile runs late, but once. */
  stall(millis: number): void {
    this.#now += millis;
  }

  /** Advances in small steps until `isReached`; false when it is not within `millis`. */
  advanceUntil(isReached: () => boolean, millis = 10_000): boolean {
    for (let left = millis; left > 0 && !isReached(); left -= 1) this.advance(1);
    return isReached();
  }

  #schedule(millis: number, run: () => void): () => void {
    const event = { at: this.#now + millis, order: this.#order, run };
    this.#order += 1;
    const later = this.#events.findIndex(({ at }) => at > event.at);
    this.#events.splice(later === -1 ? this.#events.length : later, 0, event);
    return () => {
      this.#events = this.#events.filter((other) => other !== event);
    };
  }
}
