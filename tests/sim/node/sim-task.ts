import { assert } from "../../../engine/lib/assert.ts";
import type { UnixMillis } from "../../../engine/lib/ids.ts";
import { parseAttemptId } from "../../../engine/lib/ids.ts";
import type { StopReason, TaskRequest, TaskStatus } from "../../../engine/platform/task-host.ts";
import type { AttemptEnd } from "../../../engine/state/cluster-state.ts";
import type { TaskEvent } from "../checker.ts";
import { SimRandom } from "../world/sim-random.ts";
import type { VirtualTime } from "../world/virtual-time.ts";

/** What a job's program will do: written into its command by the workload. */
export type Script = {
  readonly runMillis: number;
  readonly exitCode: number;
  readonly obeysTerm: boolean;
};

export const scriptCommand = (script: Script): readonly string[] => [
  "sim",
  String(script.runMillis),
  String(script.exitCode),
  String(script.obeysTerm),
];

function scriptOf(command: readonly string[]): Script {
  const [, runMillis, exitCode, obeysTerm] = command;
  return {
    runMillis: Number(runMillis),
    exitCode: Number(exitCode),
    obeysTerm: obeysTerm === "true",
  };
}

const END_OF: Record<StopReason, AttemptEnd> = {
  cancelled: "cancelled",
  drain: "drained",
  lease: "lease-lost",
  unknown: "signalled",
  shutdown: "agent-fault",
};

export type TaskWorld = {
  readonly time: VirtualTime;
  readonly now: () => UnixMillis;
  readonly mayStart: () => boolean;
  /** How long a program that starts now runs at most. */
  readonly programMillisMax: () => number;
  readonly onStarted: (task: TaskEvent) => void;
  readonly onEnded: (task: TaskEvent) => void;
  readonly onChange: (status: TaskStatus) => void;
};

/** One task on one machine: the truth, whatever agents and logs believe. */
export class SimTask {
  readonly request: TaskRequest;
  status: TaskStatus;
  readonly #world: TaskWorld;
  readonly #script: Script;
  readonly #event: TaskEvent;
  #stop: StopReason | "timeout" | null = null;
  #isAlive = false;

  constructor(request: TaskRequest, world: TaskWorld, nodeId: TaskEvent["nodeId"]) {
    this.request = request;
    this.#world = world;
    this.#script = scriptOf(request.spec.command);
    const { attemptId, fence } = request;
    this.#event = { nodeId, attemptId, fence, jobId: parseAttemptId(attemptId).jobId };
    this.status = {
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
      driver: "plain",
      peakMemoryBytes: 0,
    };
  }

  get isRunning(): boolean {
    return this.#isAlive;
  }

  get isOver(): boolean {
    return this.status.phase === "exited";
  }

  /** Preparation and start take a while, a different one for every attempt. */
  begin(): void {
    const random = new SimRandom(0, this.request.attemptId);
    const { time } = this.#world;
    time.after(random.between(0.5, 20), () => {
      if (!this.isOver) this.#change({ phase: "starting" });
    });
    time.after(20 + random.between(0.5, 60), () => {
      if (!this.isOver) this.#spawn();
    });
  }

  stop(reason: StopReason | "timeout", graceMillis: number): void {
    if (this.isOver || this.#stop !== null) return;
    this.#stop = reason;
    if (!this.#isAlive) {
      this.#end({ end: reason === "timeout" ? "timeout" : END_OF[reason], exitCode: null });
      return;
    }
    this.#change({ phase: "stopping" });
    const answer = this.#script.obeysTerm ? Math.min(30, graceMillis) : graceMillis;
    this.#world.time.after(answer, () => this.kill(reason));
  }

  /** Whatever it is doing: gone at once. */
  kill(reason: StopReason | "timeout"): void {
    if (this.isOver) return;
    const signal = this.#script.obeysTerm ? "SIGTERM" : "SIGKILL";
    const end = reason === "timeout" ? "timeout" : END_OF[reason];
    this.#end({ end, exitCode: null, signal: this.#isAlive ? signal : "" });
  }

  /** A program that runs comes to its own end no later than this. */
  endWithin(millis: number): void {
    this.#world.time.after(millis, () => {
      if (this.#isAlive) this.#exit();
    });
  }

  /** The host died, and its tasks with it: found out when it starts again. */
  loseHost(): void {
    if (this.isOver) return;
    this.#end({ end: "agent-fault", exitCode: null, outputAtLeast: true });
  }

  #spawn(): void {
    if (!this.#world.mayStart()) {
      this.#end({ end: "lease-lost", exitCode: null });
      return;
    }
    assert(!this.#isAlive, "a task starts once");
    this.#isAlive = true;
    this.#world.onStarted(this.#event);
    this.#change({ phase: "running", startedAt: this.#world.now() });
    const { time } = this.#world;
    const { timeoutMillis, killGraceMillis } = this.request.spec;
    time.after(timeoutMillis, () => this.stop("timeout", killGraceMillis));
    const runMillis = Math.min(this.#script.runMillis, this.#world.programMillisMax());
    time.after(runMillis, () => {
      if (!this.isOver) this.#exit();
    });
  }

  #exit(): void {
    this.#end({ end: "exited", exitCode: this.#script.exitCode });
  }

  #end(how: Pick<TaskStatus, "end" | "exitCode"> & Partial<TaskStatus>): void {
    if (this.#isAlive) this.#world.onEnded(this.#event);
    this.#isAlive = false;
    this.#change({ ...how, phase: "exited", finishedAt: this.#world.now() });
  }

  #change(change: Partial<TaskStatus>): void {
    this.status = { ...this.status, ...change };
    this.#world.onChange(this.status);
  }
}
