import type { AttemptId, UnixMillis } from "../lib/ids.ts";
import { parseAttemptId } from "../lib/ids.ts";
import { err, type Result } from "../lib/result.ts";
import type { StopReason, TaskRequest, TaskStatus } from "../platform/task-host.ts";
import { afterMillis } from "./after-millis.ts";
import type { DriverLadder } from "./driver-ladder.ts";
import type { TaskOutput } from "./output/task-output.ts";
import type { RunningTask, StartFailure, TaskDriver, TaskLaunch } from "./task-driver.ts";
import {
  type Ending,
  endingOf,
  HOST_DIED,
  type Outcome,
  outcomeOf,
  outcomeOfFailure,
} from "./task-end.ts";

/** A process that survives KILL waits in the kernel; it is told again. */
const KILL_AGAIN_MILLIS = 2000;

export type TaskWorld = {
  readonly ladder: DriverLadder;
  readonly now: () => UnixMillis;
  readonly leaseHolds: () => boolean;
  /** The task runs: worth remembering, not worth waiting for. */
  readonly onStarted: (attemptId: AttemptId, driver: string, at: UnixMillis) => void;
  readonly onChange: () => void;
  /** Makes the end durable; only then it is told. */
  readonly onEnd: (status: TaskStatus) => Promise<void>;
};

type Parts = {
  readonly request: TaskRequest;
  readonly folder: string;
  readonly output: TaskOutput;
  readonly world: TaskWorld;
};

/** The life of one attempt on this machine, from its accepted request to its durable end. */
export class Task {
  readonly request: TaskRequest;
  readonly output: TaskOutput;
  /** Resolves when the end is durable. */
  readonly ended: Promise<void>;
  readonly #world: TaskWorld;
  readonly #folder: string;
  readonly #abort = new AbortController();
  #status: TaskStatus;
  #running: RunningTask | null = null;
  /** Null: whatever happens now is the task's own doing. */
  #ending: Ending | null = null;
  /** Answers whether the first signal found the task alive. */
  #firstSignal: Promise<boolean> | null = null;
  #killAt = Number.POSITIVE_INFINITY;
  #cancelKill: () => void = () => undefined;
  #resolveEnded: () => void = () => undefined;

  constructor({ request, folder, output, world }: Parts) {
    this.request = request;
    this.output = output;
    this.#folder = folder;
    this.#world = world;
    this.#status = firstStatus(request);
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  get status(): TaskStatus {
    const { stdout, stderr } = this.output.totals;
    return { ...this.#status, stdoutBytes: stdout, stderrBytes: stderr };
  }

  async run(): Promise<void> {
    const { startTimeoutMillis } = this.request.spec;
    const cancelTimer = afterMillis(startTimeoutMillis, () => this.#giveUpStarting());
    const started = await this.#start();
    cancelTimer();
    if (!started.ok) return this.#end(outcomeOfFailure(started.error, this.#ending));
    const startedAt = this.#world.now();
    this.#world.onStarted(this.request.attemptId, this.#status.driver, startedAt);
    await this.#supervise(started.value, startedAt);
  }

  /** Goes on with a task of a host before this one; null = it died with that host. */
  async resume(running: RunningTask | null, driver: string, startedAt: UnixMillis): Promise<void> {
    // What was in the pipes when the host died is lost.
    this.#change({ driver, startedAt, outputAtLeast: true });
    if (running === null) return this.#end(HOST_DIED);
    await this.#supervise(running, startedAt);
  }

  launch(): TaskLaunch {
    const { attemptId, fence, clusterId, spec } = this.request;
    const { jobId, number } = parseAttemptId(attemptId);
    const own = { NL_JOB_ID: jobId, NL_ATTEMPT: `${number}`, NL_FENCE: `${fence}` };
    return {
      ...{ attemptId, fence, clusterId, spec, folder: this.#folder },
      env: { ...spec.env, ...own },
      onOutput: (stream, bytes) => this.output.write(stream, bytes),
    };
  }

  /** The first reason stays; a later and stricter stop only brings the kill forward. */
  stop(reason: StopReason, graceMillis: number): void {
    this.#stop(endingOf(reason), graceMillis);
  }

  async #start(): Promise<Result<RunningTask, StartFailure>> {
    const chosen = await this.#world.ladder.choose(this.request.spec);
    if (!chosen.ok) return chosen;
    if (this.#ending !== null) return err({ kind: "aborted", detail: "" });
    this.#change({ phase: "starting", driver: chosen.value.name });
    return startWith(chosen.value, this.launch(), {
      mayStart: () => this.#mayStart(),
      signal: this.#abort.signal,
    });
  }

  #mayStart(): boolean {
    if (this.#ending === null && !this.#world.leaseHolds()) {
      const detail = "not started: the node had lost its contact to the cluster";
      this.#ending = { end: "lease-lost", detail };
    }
    return this.#ending === null;
  }

  #giveUpStarting(): void {
    const { startTimeoutMillis } = this.request.spec;
    const detail = `not started within ${startTimeoutMillis / 1000} s`;
    this.#stop({ end: "start-timeout", detail }, 0);
  }

  async #supervise(running: RunningTask, startedAt: UnixMillis): Promise<void> {
    this.#running = running;
    const { outputAtLeast } = running;
    const { timeoutMillis, killGraceMillis } = this.request.spec;
    this.#change({ phase: "running", startedAt, outputAtLeast });
    const left = timeoutMillis - Math.max(0, this.#world.now() - startedAt);
    const cancelTimeout = afterMillis(left, () => {
      const detail = `still running after ${timeoutMillis / 1000} s`;
      this.#stop({ end: "timeout", detail }, killGraceMillis);
    });
    // Stopped while it was being started: whatever it did since then was not wanted.
    if (this.#ending !== null) this.#signalFirst(running, 0);
    const exit = await running.exited;
    cancelTimeout();
    this.#cancelKill();
    const wasStopped = (await this.#firstSignal) ?? false;
    await this.#end(outcomeOf(exit, wasStopped ? this.#ending : null, this.request.spec));
  }

  #stop(ending: Ending, graceMillis: number): void {
    if (this.#status.phase === "exited") return;
    this.#ending ??= ending;
    if (this.#status.phase !== "stopping") this.#change({ phase: "stopping" });
    this.#abort.abort();
    const running = this.#running;
    if (running === null) return;
    if (this.#firstSignal === null) this.#signalFirst(running, graceMillis);
    this.#killWithin(running, graceMillis);
  }

  #signalFirst(running: RunningTask, graceMillis: number): void {
    const signalled = graceMillis > 0 ? running.terminate() : running.kill();
    // Whether it found the task alive is not known then: the kill goes on until it has ended.
    this.#firstSignal = signalled.catch(() => true);
    this.#killWithin(running, graceMillis);
  }

  #killWithin(running: RunningTask, graceMillis: number): void {
    const killAt = performance.now() + graceMillis;
    if (killAt >= this.#killAt) return;
    this.#killAt = killAt;
    this.#cancelKill();
    const kill = (): void => {
      this.#cancelKill = afterMillis(KILL_AGAIN_MILLIS, kill);
      void running.kill().catch(() => undefined);
    };
    this.#cancelKill = afterMillis(graceMillis, kill);
  }

  #change(change: Partial<TaskStatus>): void {
    this.#status = { ...this.#status, ...change };
    this.#world.onChange();
  }

  async #end(outcome: Outcome): Promise<void> {
    this.output.complete();
    const finishedAt = this.#world.now();
    const status = { ...this.status, ...outcome, phase: "exited", finishedAt } as const;
    await this.#world.onEnd(status);
    this.#status = status;
    this.#world.onChange();
    this.#resolveEnded();
  }
}

/** A driver that throws has met something it does not know: the task did not start. */
async function startWith(
  driver: TaskDriver,
  launch: TaskLaunch,
  gate: Parameters<TaskDriver["start"]>[1],
): Promise<Result<RunningTask, StartFailure>> {
  try {
    return await driver.start(launch, gate);
  } catch (error) {
    return err({ kind: "not-started", detail: `${driver.name}: ${String(error)}` });
  }
}

function firstStatus({ attemptId, fence }: TaskRequest): TaskStatus {
  return {
    attemptId,
    fence,
    phase: "preparing",
    startedAt: null,
    finishedAt: null,
    end: null,
    exitCode: null,
    signal: "",
    detail: "",
    stdoutBytes: 0,
    stderrBytes: 0,
    outputAtLeast: false,
    driver: "",
    peakMemoryBytes: 0,
  };
}
