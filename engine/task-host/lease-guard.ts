import type { Lease } from "../platform/task-host.ts";
import { afterMillis } from "./after-millis.ts";
import { bootMillis } from "./boot-clock.ts";
import type { LeaseFile } from "./lease-file.ts";
import { LeaseWatch } from "./lease-watch.ts";
import type { Task } from "./task.ts";

/** A timer does not run while the machine sleeps: so the clock that does is looked at this often. */
const LOOK_MILLIS_MAX = 1000;

type Options = {
  readonly file: LeaseFile;
  /** The live tasks that must end with the lease. */
  readonly fenced: () => readonly Task[];
};

/**
 * Ends the tasks that the cluster may run again elsewhere, when this node has lost its lease:
 * TERM first, KILL at the end (SEMANTICS, Fencing). Asks nobody, so it works without nl.
 */
export class LeaseGuard {
  readonly #options: Options;
  readonly #watch: LeaseWatch;
  #cancelLook: () => void = () => undefined;

  constructor(options: Options) {
    this.#options = options;
    this.#watch = new LeaseWatch(options.file.read());
  }

  holds(): boolean {
    return this.#watch.holdsAt(bootMillis());
  }

  renew(lease: Lease): void {
    this.#watch.renew(lease);
    const { lease: newest } = this.#watch;
    if (newest === lease) this.#options.file.write(lease);
    this.enforce();
  }

  /** Does what is due now, and looks again when the next thing may be. */
  enforce(): void {
    this.#cancelLook();
    const fenced = this.#options.fenced();
    if (fenced.length === 0) return;
    const now = bootMillis();
    const state = this.#watch.stateAt(now);
    if (state.kind === "kill") {
      for (const task of fenced) task.stop("lease", 0);
      return;
    }
    const left = state.untilBootMillis - now;
    if (state.kind === "term") {
      for (const task of fenced) {
        task.stop("lease", Math.min(left, task.request.spec.killGraceMillis));
      }
    }
    this.#cancelLook = afterMillis(Math.min(left, LOOK_MILLIS_MAX), () => this.enforce());
  }
}
