import type { AttemptId } from "../lib/ids.ts";
import type { DriverStatus, TaskHostEvent, TaskStatus } from "../platform/task-host.ts";

/** What the task host of this machine has said since it was last connected. */
export class TaskTable {
  /** Not settled: to be reconciled. */
  readonly open = new Map<AttemptId, TaskStatus>();
  /** Finished and committed, oldest first: only their output is of use. When each was settled. */
  readonly settled = new Map<AttemptId, number>();
  /** Told to start, and not seen yet. */
  readonly starting = new Set<AttemptId>();
  #drivers: readonly DriverStatus[] | null = null;
  #isListed = false;

  /** Connected, and every task it knows has been told. */
  get isListed(): boolean {
    return this.#isListed;
  }

  /** Null until the host was connected for the first time. */
  get drivers(): readonly DriverStatus[] | null {
    return this.#drivers;
  }

  /** The host has tasks, or may have some that it has not told yet. */
  get mayHaveWork(): boolean {
    return !this.#isListed || this.open.size > 0 || this.starting.size > 0;
  }

  attemptIds(): readonly AttemptId[] {
    return [...this.open.keys()];
  }

  runningCount(): number {
    let count = 0;
    for (const task of this.open.values()) if (task.phase === "running") count += 1;
    return count;
  }

  take(event: TaskHostEvent): void {
    switch (event.kind) {
      case "connected":
        this.#forget();
        this.#drivers = event.drivers;
        break;
      case "task":
        this.starting.delete(event.task.attemptId);
        if (!this.settled.has(event.task.attemptId)) {
          this.open.set(event.task.attemptId, event.task);
        }
        break;
      case "listed":
        this.#isListed = true;
        break;
      case "disconnected":
        this.#forget();
        break;
    }
  }

  settle(attemptId: AttemptId, nowMillis: number): void {
    this.open.delete(attemptId);
    this.settled.set(attemptId, nowMillis);
  }

  remove(attemptId: AttemptId): void {
    this.open.delete(attemptId);
    this.settled.delete(attemptId);
  }

  /** Settled tasks beyond `kept`, or settled before `sinceMillis`; oldest first. */
  *outdated(kept: number, sinceMillis: number): IterableIterator<AttemptId> {
    let excess = this.settled.size - kept;
    for (const [attemptId, settledAtMillis] of this.settled) {
      if (excess <= 0 && settledAtMillis >= sinceMillis) return;
      excess -= 1;
      yield attemptId;
    }
  }

  /** What was known of a host that is gone is not knowledge: it tells everything again. */
  #forget(): void {
    this.#isListed = false;
    this.open.clear();
    this.settled.clear();
    this.starting.clear();
  }
}
