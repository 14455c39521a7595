import type { NlError } from "../lib/error-code.ts";
import type { NodeId } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { HeartbeatAnswer } from "../platform/control-link.ts";
import type { ExecutorOptions } from "./executor.ts";
import type { Lease } from "./lease.ts";
import { RepeatedCall } from "./repeated-call.ts";
import type { TaskTable } from "./task-table.ts";

/** Attempts named in one heartbeat: it stays below 256 KiB. */
const ATTEMPT_IDS_MAX = 4_000;

/** So often in the time that a lease holds is one passed on to a task host that has no tasks. */
const IDLE_RENEWALS = 3;

/**
 * Tells the leader that this node lives. An answer renews the lease from the moment the heartbeat
 * was *sent*: however long it was on its way, the leader has heard of it later than that.
 */
export class HeartbeatSender {
  readonly #options: ExecutorOptions;
  readonly #nodeId: NodeId;
  readonly #lease: Lease;
  readonly #tasks: TaskTable;
  readonly #onGranted: () => void;
  readonly #call: RepeatedCall;
  /** When the newest heartbeat that was answered left, and the newest one the task host knows of. */
  #renewedAtMillis = Number.NEGATIVE_INFINITY;
  #hostRenewedAtMillis = Number.NEGATIVE_INFINITY;

  /** `onGranted` wakes the loop: it may act now. */
  constructor(options: ExecutorOptions, tasks: TaskTable, lease: Lease, onGranted: () => void) {
    this.#options = options;
    this.#nodeId = options.nodeId;
    this.#lease = lease;
    this.#tasks = tasks;
    this.#onGranted = onGranted;
    this.#call = new RepeatedCall({
      clock: options.clock,
      timers: options.timers,
      random: options.random,
      periodMillis: options.settings.heartbeatMillis,
      failedMillis: options.settings.failedCallMillis,
      call: () => this.#send(),
    });
  }

  /** Sends one at once, and then every period. */
  beatNow(): void {
    this.#call.now();
  }

  /** Entries were applied here: there may be a leader again. */
  nudge(): void {
    this.#call.nudge();
  }

  /** The task host gets work: from now on it counts from the newest lease there is. */
  renewHost(): void {
    if (this.#renewedAtMillis > this.#hostRenewedAtMillis) this.#tellHost();
  }

  /** The task host was away: what it missed. */
  renewHostAgain(): void {
    this.#hostRenewedAtMillis = Number.NEGATIVE_INFINITY;
    this.renewHost();
  }

  stop(): void {
    this.#call.stop();
  }

  #send(): void {
    const { clock, controlLink, stats } = this.#options;
    const sentAtMillis = clock.monotonicMillis();
    const attemptIds = this.#tasks.attemptIds().slice(0, ATTEMPT_IDS_MAX);
    const beat = {
      nodeId: this.#nodeId,
      attemptIds,
      clockAt: clock.now(),
      running: this.#tasks.runningCount(),
      ...stats(),
    };
    controlLink.heartbeat(beat, (answer) => this.#onAnswer(sentAtMillis, answer));
  }

  #onAnswer(sentAtMillis: number, answer: Result<HeartbeatAnswer, NlError>): void {
    if (!answer.ok || !answer.value.granted) {
      this.#call.failed();
      return;
    }
    this.#call.succeeded();
    this.#lease.grant({ sentAtMillis, commitIndex: answer.value.commitIndex });
    this.#renewedAtMillis = Math.max(this.#renewedAtMillis, sentAtMillis);
    if (this.#isHostDue()) this.renewHost();
    this.#onGranted();
  }

  /** A host without tasks has nothing to end: it need not hear of every lease. */
  #isHostDue(): boolean {
    if (this.#tasks.mayHaveWork) return true;
    const { termAfterMillis } = this.#options.settings;
    return this.#renewedAtMillis - this.#hostRenewedAtMillis >= termAfterMillis / IDLE_RENEWALS;
  }

  #tellHost(): void {
    this.#hostRenewedAtMillis = this.#renewedAtMillis;
    const { termAfterMillis, killAfterMillis } = this.#options.settings;
    this.#options.taskHost.renewLease({
      sentAtBootMillis: this.#renewedAtMillis,
      termAfterMillis,
      killAfterMillis,
    });
  }
}
