import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { readdir, rmdir } from "node:fs/promises";
import { join } from "node:path";
import type { Resources } from "../../lib/job-spec.ts";
import { sendSignal } from "./process-table.ts";

/** The limits of one task, enforced by the kernel. */
export type TaskCgroup = {
  /** A process limits itself, and all that it starts, by writing its id into each of these. */
  readonly joinFiles: readonly string[];
  /** Processes in it now, children that left their session included. */
  processes(): readonly number[];
  kill(): void;
  usage(): { readonly oomKills: number; readonly peakMemoryBytes: number };
  /** Waits a moment until it is empty; what stays is swept by the next host. */
  remove(): Promise<void>;
};

/** The host's own, beside those of its tasks. */
export const HOST_CGROUP = "host";

const CPU_PERIOD_MICROS = 100_000;
const MEMORY_MINIMUM_BYTES = 4 * 1024 * 1024;
/** The sandbox's own processes: the one outside and the first one inside. */
const SANDBOX_PIDS = 4;

/** Ended processes leave their cgroup a moment after their parent has heard of it. */
const REMOVE_ROUNDS_MAX = 50;
const REMOVE_PAUSE_MILLIS = 20;

/**
 * The cgroups of this host's tasks: `nl/<host key>/<attempt id>` in every controller. Version 1
 * has a hierarchy per controller, version 2 one for all.
 */
export class Cgroups {
  readonly limits: readonly string[];
  readonly #parents: readonly string[];
  readonly #isUnified: boolean;

  private constructor(parents: readonly string[], isUnified: boolean) {
    this.#parents = parents;
    this.#isUnified = isUnified;
    this.limits = ["memory", "cpu", "pids"];
  }

  /** Null: this process may not make cgroups here (not root, or a container that forbids it). */
  static open(hostKey: string, root = "/sys/fs/cgroup"): Cgroups | null {
    try {
      if (existsSync(join(root, "cgroup.controllers"))) {
        return new Cgroups([openUnified(root, hostKey)], true);
      }
      const controllers = ["memory", "cpu", "pids"];
      if (!controllers.every((name) => existsSync(join(root, name, "cgroup.procs")))) return null;
      const parents = controllers.map((name) => join(root, name, "nl", hostKey));
      for (const parent of parents) mkdirSync(parent, { recursive: true });
      return new Cgroups(parents, false);
    } catch {
      return null;
    }
  }

  /** Throws when the kernel refuses a limit: a task never runs with fewer limits than announced. */
  create(name: string, resources: Resources): TaskCgroup {
    const folders = this.#foldersOf(name);
    for (const folder of folders) mkdirSync(folder, { recursive: true });
    for (const [controller, file, value] of this.#settings(resources)) {
      const folder = folders[controller];
      if (folder !== undefined) writeFileSync(join(folder, file), value);
    }
    this.#limitSwap(folders[0] ?? "", resources);
    return this.#handle(folders);
  }

  /** The cgroup of a task started by a host before this one; null when there is none. */
  find(name: string): TaskCgroup | null {
    const folders = this.#foldersOf(name);
    return folders.some((folder) => existsSync(folder)) ? this.#handle(folders) : null;
  }

  async names(): Promise<readonly string[]> {
    const entries = await readdir(this.#parents[0] ?? "", { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
    return folders.filter((name) => name !== HOST_CGROUP);
  }

  #foldersOf(name: string): readonly string[] {
    return this.#parents.map((parent) => join(parent, name));
  }

  /** Position of the controller among the folders, file, value. */
  #settings(resources: Resources): readonly (readonly [number, string, string])[] {
    const memory = `${Math.max(resources.memoryBytes, MEMORY_MINIMUM_BYTES)}`;
    const quota = `${Math.max(1000, Math.round((resources.cpuMillis * CPU_PERIOD_MICROS) / 1000))}`;
    const pids = `${resources.pids + SANDBOX_PIDS}`;
    if (this.#isUnified) {
      return [
        [0, "memory.max", memory],
        [0, "memory.oom.group", "1"],
        [0, "cpu.max", `${quota} ${CPU_PERIOD_MICROS}`],
        [0, "pids.max", pids],
      ];
    }
    return [
      [0, "memory.limit_in_bytes", memory],
      [1, "cpu.cfs_period_us", `${CPU_PERIOD_MICROS}`],
      [1, "cpu.cfs_quota_us", quota],
      [2, "pids.max", pids],
    ];
  }

  /** Swap would let a task exceed its memory; a kernel without swap accounting has no such file. */
  #limitSwap(folder: string, { memoryBytes }: Resources): void {
    const file = this.#isUnified ? "memory.swap.max" : "memory.memsw.limit_in_bytes";
    const value = this.#isUnified ? 0 : Math.max(memoryBytes, MEMORY_MINIMUM_BYTES);
    const path = join(folder, file);
    if (existsSync(path)) writeFileSync(path, `${value}`);
  }

  #handle(folders: readonly string[]): TaskCgroup {
    const [first = ""] = folders;
    const usage = this.#isUnified ? unifiedUsage : separateUsage;
    return {
      joinFiles: folders.map((folder) => join(folder, "cgroup.procs")),
      processes: () => [...new Set(folders.flatMap(processesIn))],
      kill: () => {
        for (const pid of new Set(folders.flatMap(processesIn))) sendSignal(pid, "SIGKILL");
      },
      usage: () => usage(first),
      remove: () => removeAll(folders),
    };
  }
}

/** Controllers have to be handed down from level to level, and only leaves hold processes. */
function openUnified(root: string, hostKey: string): string {
  const parent = join(root, "nl", hostKey);
  mkdirSync(parent, { recursive: true });
  for (const level of [root, join(root, "nl"), parent]) {
    writeFileSync(join(level, "cgroup.subtree_control"), "+memory +cpu +pids");
  }
  return parent;
}

function processesIn(folder: string): readonly number[] {
  return readLines(join(folder, "cgroup.procs")).map(Number);
}

function separateUsage(folder: string) {
  const control = readLines(join(folder, "memory.oom_control"));
  const [peak = "0"] = readLines(join(folder, "memory.max_usage_in_bytes"));
  return { oomKills: counter(control, "oom_kill"), peakMemoryBytes: Number(peak) };
}

function unifiedUsage(folder: string) {
  const events = readLines(join(folder, "memory.events"));
  const [peak = "0"] = readLines(join(folder, "memory.peak"));
  return { oomKills: counter(events, "oom_kill"), peakMemoryBytes: Number(peak) };
}

function counter(lines: readonly string[], name: string): number {
  const line = lines.find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.slice(name.length + 1) ?? 0);
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, "latin1").split("\n").filter(Boolean);
  } catch {
    return [];
  }
}

async function removeAll(folders: readonly string[]): Promise<void> {
  for (let round = 0; round < REMOVE_ROUNDS_MAX; round++) {
    await Promise.all(folders.map((folder) => rmdir(folder).catch(() => undefined)));
    if (!folders.some((folder) => existsSync(folder))) return;
    await Bun.sleep(REMOVE_PAUSE_MILLIS);
  }
}
