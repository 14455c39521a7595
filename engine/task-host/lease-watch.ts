import type { Lease } from "../platform/task-host.ts";

/**
 * How far the lease has run out. `none`: it holds. `term`: tasks that the cluster may run again
 * must end. `kill`: they must be gone (SEMANTICS, Fencing).
 */
export type LeaseState =
  | { readonly kind: "holds"; readonly untilBootMillis: number }
  | { readonly kind: "term"; readonly untilBootMillis: number }
  | { readonly kind: "kill" };

/**
 * The right of this machine to run what the cluster may run elsewhere. Counts from the send time
 * of the newest answered heartbeat, on the clock that counts suspend; without one it does not hold.
 */
export class LeaseWatch {
  #lease: Lease | null;

  constructor(lease: Lease | null = null) {
    this.#lease = lease;
  }

  get lease(): Lease | null {
    return this.#lease;
  }

  /** Answers may arrive late and in any order: only a newer heartbeat extends the lease. */
  renew(lease: Lease): void {
    const known = this.#lease;
    if (known === null || lease.sentAtBootMillis > known.sentAtBootMillis) this.#lease = lease;
  }

  stateAt(bootMillis: number): LeaseState {
    if (this.#lease === null) return { kind: "kill" };
    const { sentAtBootMillis, termAfterMillis, killAfterMillis } = this.#lease;
    const termAt = sentAtBootMillis + termAfterMillis;
    if (bootMillis < termAt) return { kind: "holds", untilBootMillis: termAt };
    const killAt = sentAtBootMillis + killAfterMillis;
    if (bootMillis < killAt) return { kind: "term", untilBootMillis: killAt };
    return { kind: "kill" };
  }

  holdsAt(bootMillis: number): boolean {
    return this.stateAt(bootMillis).kind === "holds";
  }
}
