import type { AttemptId, UnixMillis } from "../lib/ids.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import type { AttemptEnd } from "../state/cluster-state.ts";
import type { Done } from "./completion.ts";

/** What the task host of this machine is told to run. Starting is idempotent by attempt id. */
export type TaskRequest = {
  readonly attemptId: AttemptId;
  readonly fence: number;
  readonly clusterId: string;
  readonly spec: JobSpec;
};

export type TaskPhase = "preparing" | "starting" | "running" | "stopping" | "exited";

export type StopReason = "cancelled" | "drain" | "unknown" | "lease" | "shutdown";

/** What the task host knows about one task; `end` is null until `phase` is `exited`. */
export type TaskStatus = {
  readonly attemptId: AttemptId;
  readonly fence: number;
  readonly phase: TaskPhase;
  readonly startedAt: UnixMillis | null;
  readonly finishedAt: UnixMillis | null;
  readonly end: AttemptEnd | null;
  readonly exitCode: number | null;
  /** `SIGTERM`, …; empty = not ended by a signal. */
  readonly signal: string;
  readonly detail: string;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  /** True when totals are a lower bound: the host was away while the task went on. */
  readonly outputAtLeast: boolean;
  /** docker, bubblewrap, unshare, plain; empty before one was chosen. */
  readonly driver: string;
  readonly peakMemoryBytes: number;
};

export type DriverStatus = {
  readonly name: "docker" | "bubblewrap" | "unshare" | "plain";
  readonly usable: boolean;
  readonly detail: string;
  /** Limits that hold on this machine: memory, cpu, pids … */
  readonly limits: readonly string[];
};

/** Times on the clock that counts suspend, in milliseconds (SEMANTICS, Fencing). */
export type Lease = {
  readonly sentAtBootMillis: number;
  readonly termAfterMillis: number;
  readonly killAfterMillis: number;
};

export type TaskHostError = { readonly kind: "unavailable" | "refused"; readonly detail: string };

export type TaskHostEvent =
  /** Connected: the drivers of this machine. The tasks that are known follow as `task` events. */
  | { readonly kind: "connected"; readonly drivers: readonly DriverStatus[] }
  | { readonly kind: "task"; readonly task: TaskStatus }
  /** Every task known at connection time has been told. */
  | { readonly kind: "listed" }
  | { readonly kind: "disconnected"; readonly detail: string };

/**
 * The process that holds this machine's tasks and outlives the agent. Every call may be repeated.
 * Implementations pass `tests/contracts/task-host.ts`.
 */
export interface TaskHost {
  start(onEvent: (event: TaskHostEvent) => void): void;
  startTask(request: TaskRequest, done: Done<void, TaskHostError>): void;
  /** A task that is not there counts as stopped. */
  stopTask(
    stop: {
      readonly attemptId: AttemptId;
      readonly graceMillis: number;
      readonly reason: StopReason;
    },
    done: Done<void, TaskHostError>,
  ): void;
  /** Forgets a finished task and its files: only after its result is committed. */
  removeTask(attemptId: AttemptId, done: Done<void, TaskHostError>): void;
  renewLease(lease: Lease): void;
  /** Disconnects; the tasks go on. */
  stop(): void;
}
