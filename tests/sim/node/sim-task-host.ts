import type { AttemptId, NodeId } from "../../../engine/lib/ids.ts";
import { err, ok } from "../../../engine/lib/result.ts";
import type { Done } from "../../../engine/platform/completion.ts";
import type {
  DriverStatus,
  Lease,
  TaskHost,
  TaskHostError,
  TaskHostEvent,
  TaskStatus,
} from "../../../engine/platform/task-host.ts";
import type { TaskEvent } from "../checker.ts";
import type { SimClock, SimProcess } from "../world/sim-process.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { VirtualTime } from "../world/virtual-time.ts";
import { SimTask } from "./sim-task.ts";

export type SimTaskHostOptions = {
  readonly nodeId: NodeId;
  readonly time: VirtualTime;
  readonly random: SimRandom;
  readonly clock: SimClock;
  readonly onStarted: (task: TaskEvent) => void;
  readonly onEnded: (task: TaskEvent) => void;
};

type Agent = { readonly process: SimProcess; readonly onEvent: (event: TaskHostEvent) => void };

const CALL_MILLIS_MAX = 2;

const DRIVERS: readonly DriverStatus[] = [
  { name: "plain", usable: true, detail: "simulated", limits: [] },
];

/**
 * The process that holds a machine's tasks. It outlives the agent, enforces the lease on its own,
 * and its journal outlives it: a task it once knew is never started again.
 */
export class SimTaskHost {
  readonly #options: SimTaskHostOptions;
  readonly #tasks = new Map<AttemptId, SimTask>();
  #lease: Lease | null = null;
  #agent: Agent | null = null;
  #isUp = true;
  #programMillisMax = Number.POSITIVE_INFINITY;

  constructor(options: SimTaskHostOptions) {
    this.#options = options;
  }

  /** The connection of one agent life. */
  connect(process: SimProcess): TaskHost {
    const call = (done: Done<void, TaskHostError>, action: () => TaskHostError | null): void => {
      this.#options.time.after(this.#delayMillis(), () => this.#answer(process, done, action));
    };
    return {
      start: (onEvent) => {
        this.#agent = { process, onEvent };
        if (this.#isUp) this.#list();
      },
      startTask: (request, done) =>
        call(done, () => {
          if (this.#tasks.has(request.attemptId)) return null;
          if (!this.#holdsLease()) return { kind: "refused", detail: "the lease does not hold" };
          this.#begin(new SimTask(request, this.#taskWorld(), this.#options.nodeId));
          return null;
        }),
      stopTask: ({ attemptId, reason, graceMillis }, done) =>
        call(done, () => {
          this.#tasks.get(attemptId)?.stop(reason, graceMillis);
          return null;
        }),
      removeTask: (attemptId, done) =>
        call(done, () => {
          if (this.#tasks.get(attemptId)?.isOver) this.#tasks.delete(attemptId);
          return null;
        }),
      renewLease: (lease) => {
        this.#options.time.after(this.#delayMillis(), () => this.#renew(lease));
      },
      stop: () => {
        this.#agent = null;
      },
    };
  }

  get runningCount(): number {
    return [...this.#tasks.values()].filter((task) => task.isRunning).length;
  }

  /** The host is killed, or its machine loses power: every task dies with it. */
  crash(): void {
    this.#isUp = false;
    this.#lease = null;
    for (const task of this.#tasks.values()) task.loseHost();
    this.#tell({ kind: "disconnected", detail: "the task host is gone" });
  }

  /** From now on no program runs for longer: waiting for one shows nothing. */
  calm(programMillisMax: number): void {
    this.#programMillisMax = programMillisMax;
    for (const task of this.#tasks.values()) task.endWithin(programMillisMax);
  }

  restart(): void {
    if (this.#isUp) return;
    this.#isUp = true;
    this.#list();
  }

  #list(): void {
    this.#tell({ kind: "connected", drivers: DRIVERS });
    for (const task of this.#tasks.values()) this.#tell({ kind: "task", task: task.status });
    this.#tell({ kind: "listed" });
  }

  #begin(task: SimTask): void {
    this.#tasks.set(task.request.attemptId, task);
    this.#tell({ kind: "task", task: task.status });
    task.begin();
  }

  #answer(
    process: SimProcess,
    done: Done<void, TaskHostError>,
    action: () => TaskHostError | null,
  ): void {
    if (process.isDead) return;
    const down: TaskHostError = { kind: "unavailable", detail: "the task host is down" };
    const failure = this.#isUp ? action() : down;
    this.#options.time.after(this.#delayMillis(), () => {
      process.run(() => done(failure === null ? ok(undefined) : err(failure)));
    });
  }

  #renew(lease: Lease): void {
    if (!this.#isUp) return;
    if (this.#lease !== null && lease.sentAtBootMillis <= this.#lease.sentAtBootMillis) return;
    this.#lease = lease;
    const age = this.#options.clock.monotonicMillis() - lease.sentAtBootMillis;
    const { time } = this.#options;
    const grace = lease.killAfterMillis - lease.termAfterMillis;
    time.after(lease.termAfterMillis - age, () => {
      if (this.#lease !== lease) return;
      for (const task of this.#fenced())
        task.stop("lease", Math.min(grace, task.request.spec.killGraceMillis));
    });
    time.after(lease.killAfterMillis - age, () => {
      if (this.#lease === lease) for (const task of this.#fenced()) task.kill("lease");
    });
  }

  /** Only what the cluster may run again elsewhere is bound to the lease. */
  #fenced(): readonly SimTask[] {
    return [...this.#tasks.values()].filter((task) => task.request.spec.onLost === "rerun");
  }

  #holdsLease(): boolean {
    if (this.#lease === null) return false;
    const age = this.#options.clock.monotonicMillis() - this.#lease.sentAtBootMillis;
    return age < this.#lease.termAfterMillis;
  }

  #taskWorld() {
    const { time, clock, onStarted, onEnded } = this.#options;
    return {
      time,
      now: () => clock.now(),
      mayStart: () => this.#isUp && this.#holdsLease(),
      programMillisMax: () => this.#programMillisMax,
      onStarted,
      onEnded,
      onChange: (task: TaskStatus) => {
        if (this.#tasks.has(task.attemptId)) this.#tell({ kind: "task", task });
      },
    };
  }

  #tell(event: TaskHostEvent): void {
    const agent = this.#agent;
    if (agent === null || agent.process.isDead) return;
    // One connection: events keep their order.
    this.#options.time.after(CALL_MILLIS_MAX, () => {
      if (this.#agent === agent) agent.process.run(() => agent.onEvent(event));
    });
  }

  #delayMillis(): number {
    return this.#options.random.between(0.1, CALL_MILLIS_MAX);
  }
}
