import type { AttemptId, UnixMillis } from "../../lib/ids.ts";
import { ok } from "../../lib/result.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Done } from "../../platform/completion.ts";
import type {
  Lease,
  TaskHost,
  TaskHostError,
  TaskHostEvent,
  TaskPhase,
  TaskRequest,
  TaskStatus,
} from "../../platform/task-host.ts";
import type { Timers } from "../../platform/timers.ts";

/** A status with everything that a test does not care about. */
export function taskStatus(attemptId: string, phase: TaskPhase): TaskStatus {
  const isOver = phase === "exited";
  return {
    attemptId: attemptId as AttemptId,
    fence: 7,
    phase,
    startedAt: null,
    finishedAt: null,
    end: isOver ? "exited" : null,
    exitCode: isOver ? 0 : null,
    signal: "",
    detail: "",
    stdoutBytes: 0,
    stderrBytes: 0,
    outputAtLeast: false,
    driver: "plain",
    peakMemoryBytes: 0,
  };
}

/**
 * Tasks that run for `runMillis` and exit with `exitCode`; a task that is told to stop ends at
 * once. Outlives the executors that connect to it, as the real one does.
 */
export class FakeTaskHost implements TaskHost {
  startMillis = 1;
  runMillis = 100;
  exitCode = 0;
  readonly starts: AttemptId[] = [];
  readonly stops: { readonly attemptId: AttemptId; readonly reason: string }[] = [];
  readonly removed: AttemptId[] = [];
  readonly leases: Lease[] = [];
  readonly tasks = new Map<AttemptId, TaskStatus>();
  readonly #timers: Timers;
  readonly #clock: Clock;
  #onEvent: (event: TaskHostEvent) => void = () => {};

  constructor(world: { readonly timers: Timers; readonly clock: Clock }) {
    this.#timers = world.timers;
    this.#clock = world.clock;
  }

  start(onEvent: (event: TaskHostEvent) => void): void {
    this.#onEvent = onEvent;
    this.connect();
  }

  connect(): void {
    const limits = ["memory"];
    const drivers = [{ name: "plain", usable: true, detail: "", limits }] as const;
    this.#tell({ kind: "connected", drivers });
    for (const task of this.tasks.values()) this.#tell({ kind: "task", task });
    this.#tell({ kind: "listed" });
  }

  disconnect(): void {
    this.#tell({ kind: "disconnected", detail: "broken pipe" });
  }

  startTask(request: TaskRequest, done: Done<void, TaskHostError>): void {
    this.#later(done);
    const { attemptId, fence } = request;
    if (this.tasks.has(attemptId)) return;
    this.starts.push(attemptId);
    this.#show({ ...taskStatus(attemptId, "starting"), fence });
    this.#timers.after(this.startMillis, () => this.#change(attemptId, { phase: "running" }));
    this.#timers.after(this.runMillis, () => this.#exit(attemptId, { exitCode: this.exitCode }));
  }

  stopTask(
    stop: { readonly attemptId: AttemptId; readonly graceMillis: number; readonly reason: string },
    done: Done<void, TaskHostError>,
  ): void {
    this.stops.push(stop);
    this.#later(done);
    const end = stop.reason === "cancelled" ? "cancelled" : "drained";
    this.#exit(stop.attemptId, { end, exitCode: null, signal: "SIGTERM" });
  }

  removeTask(attemptId: AttemptId, done: Done<void, TaskHostError>): void {
    this.removed.push(attemptId);
    this.tasks.delete(attemptId);
    this.#later(done);
  }

  renewLease(lease: Lease): void {
    this.leases.push(lease);
  }

  stop(): void {
    this.#onEvent = () => {};
  }

  #exit(attemptId: AttemptId, how: Partial<TaskStatus>): void {
    const finishedAt: UnixMillis = this.#clock.now();
    this.#change(attemptId, { end: "exited", ...how, finishedAt, phase: "exited" });
  }

  #change(attemptId: AttemptId, change: Partial<TaskStatus>): void {
    const task = this.tasks.get(attemptId);
    if (task === undefined || task.phase === "exited") return;
    const startedAt = task.startedAt ?? this.#clock.now();
    this.#show({ ...task, startedAt, ...change });
  }

  #show(task: TaskStatus): void {
    this.tasks.set(task.attemptId, task);
    this.#tell({ kind: "task", task });
  }

  #tell(event: TaskHostEvent): void {
    this.#timers.soon(() => this.#onEvent(event));
  }

  #later(done: Done<void, TaskHostError>): void {
    this.#timers.soon(() => done(ok(undefined)));
  }
}
