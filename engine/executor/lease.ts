import type { Index } from "../lib/ids.ts";

type Grant = { readonly sentAtMillis: number; readonly commitIndex: Index };

/**
 * When this node may start attempts and kill unknown tasks: while a lease holds whose commit index
 * is applied here. A newer grant that is not applied yet does not take an older one away.
 */
export class Lease {
  readonly #termAfterMillis: number;
  #inForce: Grant | null = null;
  #ahead: Grant | null = null;

  constructor(termAfterMillis: number) {
    this.#termAfterMillis = termAfterMillis;
  }

  /** `sentAtMillis`: when the answered heartbeat left, on the clock that counts suspend. */
  grant(grant: Grant): void {
    const newest = this.#ahead ?? this.#inForce;
    if (newest === null || grant.sentAtMillis > newest.sentAtMillis) this.#ahead = grant;
  }

  mayAct(nowMillis: number, applied: Index): boolean {
    if (this.#ahead !== null && this.#ahead.commitIndex <= applied) {
      this.#inForce = this.#ahead;
      this.#ahead = null;
    }
    if (this.#inForce === null) return false;
    return nowMillis - this.#inForce.sentAtMillis < this.#termAfterMillis;
  }

  /** A grant waits for entries to be applied. */
  get isAhead(): boolean {
    return this.#ahead !== null;
  }
}
