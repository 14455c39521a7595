import type { TaskCgroup } from "./cgroups.ts";
import {
  descendantsOf,
  innermostPid,
  processesWithEnvironment,
  readProcess,
  readProcesses,
  sendSignal,
} from "./process-table.ts";

/** Rounds of killing what is left; a process that forks faster than it dies needs several. */
const KILL_ROUNDS_MAX = 250;
const KILL_PAUSE_MILLIS = 2;

type TreeOptions = {
  readonly rootPid: number;
  /** The command's own process, as it sees itself. */
  readonly mainPid: number;
  /** The task has a pid namespace: when that ends, so does everything in it. */
  readonly isNamespace: boolean;
  /** Entries of the environment that together only this task's processes were started with. */
  readonly marks: readonly string[];
  readonly cgroup: TaskCgroup | null;
};

/** All processes of one task, from the one that nl started down to those that ran away. */
export class ProcessTree {
  readonly #options: TreeOptions;

  constructor(options: TreeOptions) {
    this.#options = options;
  }

  /** TERM to every process of the task. False: its main process had already ended. */
  terminate(): boolean {
    const living = this.#living();
    if (!this.#hasMain(living)) return false;
    for (const pid of living) sendSignal(pid, "SIGTERM");
    return true;
  }

  /** KILL to every process. False: the main process had already ended. */
  kill(): boolean {
    const living = this.#living();
    const had = this.#hasMain(living);
    const { rootPid, cgroup, isNamespace } = this.#options;
    if (!isNamespace) for (const pid of living) sendSignal(pid, "SIGKILL");
    // The sandbox dies with this process, and everything inside with the sandbox.
    sendSignal(rootPid, "SIGKILL");
    cgroup?.kill();
    return had;
  }

  /** After the main process has ended: nothing of the task outlives it. */
  async killRest(): Promise<void> {
    for (let round = 0; round < KILL_ROUNDS_MAX; round++) {
      const left = this.#left();
      if (left.length === 0) return;
      for (const pid of left) sendSignal(pid, "SIGKILL");
      await Bun.sleep(KILL_PAUSE_MILLIS);
    }
  }

  #living(): readonly number[] {
    const { rootPid, isNamespace } = this.#options;
    const below = descendantsOf(rootPid);
    if (!isNamespace) return [rootPid, ...below.map(({ pid }) => pid), ...this.#group()];
    // The first process of a namespace is the sandbox's, and takes no TERM.
    return below.filter(({ parentPid }) => parentPid !== rootPid).map(({ pid }) => pid);
  }

  #hasMain(living: readonly number[]): boolean {
    const { mainPid, isNamespace, rootPid } = this.#options;
    if (!isNamespace) return readProcess(rootPid)?.isZombie === false;
    return living.some((pid) => innermostPid(pid) === mainPid);
  }

  #group(): readonly number[] {
    return readProcesses()
      .filter(({ groupId, isZombie }) => groupId === this.#options.rootPid && !isZombie)
      .map(({ pid }) => pid);
  }

  #left(): readonly number[] {
    const { cgroup, isNamespace, marks } = this.#options;
    if (cgroup !== null) return cgroup.processes();
    return isNamespace ? [] : [...this.#group(), ...processesWithEnvironment(marks)];
  }
}
