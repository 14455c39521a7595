import type { AttemptId } from "../lib/ids.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import type { Result } from "../lib/result.ts";
import type { DriverStatus } from "../platform/task-host.ts";

export type OutputStream = "stdout" | "stderr";

/** Everything a driver needs to run one attempt. */
export type TaskLaunch = {
  readonly attemptId: AttemptId;
  readonly fence: number;
  readonly clusterId: string;
  readonly spec: JobSpec;
  /** A folder of the task's own, mode 0700, there until the task is removed. */
  readonly folder: string;
  /** The spec's environment and the NL_ variables; PATH and HOME are the driver's to add. */
  readonly env: Readonly<Record<string, string>>;
  /** Takes the bytes before it returns; they may be reused afterwards. */
  readonly onOutput: (stream: OutputStream, bytes: Uint8Array) => void;
};

export type TaskExit = {
  /** Null only when a signal ended the task and no code was reported. */
  readonly exitCode: number | null;
  /** `SIGKILL`, …; empty = not ended by a signal. */
  readonly signal: string;
  /** The kernel killed something in the task for its memory limit, or the whole task. */
  readonly oomKilled: boolean;
  /** 0 = not measured. */
  readonly peakMemoryBytes: number;
  /** Set when nobody can say how the task ended; code and signal then mean nothing. */
  readonly lostDetail: string;
};

/** Why a task was never started. `detail` is one sentence that names the fix. */
export type StartFailure = {
  readonly kind: "no-docker" | "no-image" | "not-started" | "aborted";
  readonly detail: string;
};

/** A task that runs, or ran a moment ago. */
export interface RunningTask {
  /** The main process as the host sees it; 0 for a container. */
  readonly pid: number;
  /** Resolves once, after the last byte of output was handed over and nothing of the task runs. */
  readonly exited: Promise<TaskExit>;
  /** True when the totals are a lower bound: the task was adopted. */
  readonly outputAtLeast: boolean;
  /**
   * Asks the task to end (TERM). False: it had already ended, so how it ended is its own doing.
   * May be repeated.
   */
  terminate(): Promise<boolean>;
  /** Ends every process of the task, those that left its session included. False as above. */
  kill(): Promise<boolean>;
}

/** What the predecessor had already done for a task. */
export type BeforeAdoption = {
  /** Bytes of output that were handed over, per stream. */
  readonly delivered: Readonly<Record<OutputStream, number>>;
  /** When the last of them were; 0 = there were none. */
  readonly lastOutputAt: number;
};

export type DriverProbe = {
  readonly status: DriverStatus;
  /** The driver can run a job that names no image. */
  readonly runsUnnamed: boolean;
};

/**
 * One way to run tasks on this machine. The host calls `start` at most once for an attempt id, and
 * the id names the task, so that Docker would refuse a second one by itself. Drivers pass
 * `tests/contracts/task-driver.ts`.
 */
export interface TaskDriver {
  readonly name: DriverStatus["name"];

  /** Tries it out. Never throws; an unusable driver says why, and what would make it usable. */
  probe(): Promise<DriverProbe>;

  /**
   * Starts the task. Until `mayStart` has answered true, immediately before the task comes to
   * life, nothing runs; when it answers false, or `signal` aborts first, the result is `aborted`
   * and nothing of the task is left.
   */
  start(
    launch: TaskLaunch,
    gate: { readonly mayStart: () => boolean; readonly signal: AbortSignal },
  ): Promise<Result<RunningTask, StartFailure>>;

  /**
   * Finds a task that this host's predecessor had started; null = it is gone. A task that cannot
   * outlive its host is ended here, whatever is left of it. Throws when it cannot be found out:
   * try again later.
   */
  adopt(launch: TaskLaunch, before: BeforeAdoption): Promise<RunningTask | null>;

  /** Removes what a finished task left on the machine. May be repeated. */
  remove(attemptId: AttemptId): Promise<void>;

  /**
   * Removes everything of this host that is not known: left by a crash between two steps. Asked at
   * the last moment, because tasks may start meanwhile.
   */
  sweep(isKnown: (attemptId: AttemptId) => boolean): Promise<void>;
}
