import { backoffMillis } from "../lib/backoff.ts";
import type { AttemptId } from "../lib/ids.ts";
import type { Random } from "../platform/random.ts";
import type { ExecutorSettings } from "./settings.ts";

type Issued = { readonly what: string; tries: number; failures: number; dueAtMillis: number };

const FRACTIONS = 2 ** 32;

/**
 * Paces what is repeated until it shows an effect: a new thing at once, the same thing again only
 * after a while that doubles, and sooner after a call that is known to have failed.
 */
export class Pace {
  readonly #issued = new Map<AttemptId, Issued>();
  readonly #settings: ExecutorSettings;
  readonly #random: Random;

  constructor(settings: ExecutorSettings, random: Random) {
    this.#settings = settings;
    this.#random = random;
  }

  /** True when `what` is due for this attempt, at first after a patience; counts it as done now. */
  takeDue(attemptId: AttemptId, what: string, nowMillis: number, patienceMillis = 0): boolean {
    const known = this.#issued.get(attemptId);
    const dueAtMillis = nowMillis + patienceMillis;
    const issued = known?.what === what ? known : { what, tries: 0, failures: 0, dueAtMillis };
    this.#issued.set(attemptId, issued);
    if (issued.dueAtMillis > nowMillis) return false;
    const { repeatMillis, repeatMillisMax } = this.#settings;
    issued.dueAtMillis = nowMillis + Math.min(repeatMillis * 2 ** issued.tries, repeatMillisMax);
    issued.tries += 1;
    return true;
  }

  /** The last call for this attempt failed: its repetition need not wait that long. */
  onFailed(attemptId: AttemptId, nowMillis: number): void {
    const issued = this.#issued.get(attemptId);
    if (issued === undefined) return;
    const delay = backoffMillis({
      attempt: issued.failures,
      baseMillis: this.#settings.failedCallMillis,
      maxMillis: this.#settings.repeatMillis,
      fraction: this.#random.below(FRACTIONS) / FRACTIONS,
    });
    issued.failures += 1;
    issued.tries = 0;
    issued.dueAtMillis = Math.min(issued.dueAtMillis, nowMillis + delay);
  }

  /** Forgets attempts that are no longer of interest. */
  retain(isWanted: (attemptId: AttemptId) => boolean): void {
    for (const attemptId of this.#issued.keys()) {
      if (!isWanted(attemptId)) this.#issued.delete(attemptId);
    }
  }

  clear(): void {
    this.#issued.clear();
  }
}
