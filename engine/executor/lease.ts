import type { Index } from "../lib/ids.ts";

type Grant = { readonly sentAtMillis: number; readonly commitIndex: Index };

/** A node whose apply is this many heartbeats behind has no lease that holds anyway. */
const AHEAD_MAX = 16;

/**
 * When this node may start attempts and kill unknown tasks: while a lease holds whose commit index
 * is applied here. A newer grant that is not applied yet does not take an older one away.
 */
export class Lease {
  readonly #termAfterMillis: number;
  #inForce: Grant | null = null;
  /** Granted, but not applied yet; in order of their send times. */
  #ahead: Grant[] = [];

  constructor(termAfterMillis: number) {
    this.#termAfterMillis = termAfterMillis;
  }

  /** `sentAtMillis`: when the answered heartbeat left, on the clock that counts suspend. */
  grant(grant: Grant): void {
    const newest = this.#ahead.at(-1) ?? this.#inForce;
    if (newest !== null && grant.sentAtMillis <= newest.sentAtMillis) return;
    this.#ahead.push(grant);
    if (this.#ahead.length > AHEAD_MAX) this.#ahead.shift();
  }

  mayAct(nowMillis: number, applied: Index): boolean {
    const reached = this.#ahead.findLast((grant) => grant.commitIndex <= applied);
    if (reached !== undefined) {
      this.#inForce = reached;
      this.#ahead = this.#ahead.filter((grant) => grant.sentAtMillis > reached.sentAtMillis);
    }
    if (this.#inForce === null) return false;
    return nowMillis - this.#inForce.sentAtMillis < this.#termAfterMillis;
  }

  /**
   * This life has once applied what the leader had committed. Before, the replicated state may be
   * an old one that is being replayed from the log, and nothing may be concluded from it.
   */
  get hasCaughtUp(): boolean {
    return this.#inForce !== null;
  }

  /** A grant waits for entries to be applied. */
  get isAhead(): boolean {
    return this.#ahead.length > 0;
  }
}
