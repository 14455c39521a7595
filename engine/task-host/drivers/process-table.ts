import { readdirSync, readFileSync } from "node:fs";

/** One process as `/proc` shows it now. */
export type ProcessEntry = {
  readonly pid: number;
  readonly parentPid: number;
  readonly groupId: number;
  readonly isZombie: boolean;
};

/** Every process of this machine that can be seen. A look costs about 20 µs a process. */
export function readProcesses(): readonly ProcessEntry[] {
  const names = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return names.map((name) => readProcess(Number(name))).filter((entry) => entry !== null);
}

/** Null: there is no such process. */
export function readProcess(pid: number): ProcessEntry | null {
  const stat = readText(`/proc/${pid}/stat`);
  if (stat === null) return null;
  // The command's name, in brackets, may contain anything: fields are counted from its end.
  const [state, parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return {
    pid,
    parentPid: Number(parent),
    groupId: Number(group),
    isZombie: state === "Z" || state === "X",
  };
}

/** The living descendants of `pid`, nearest first, without itself. */
export function descendantsOf(pid: number): readonly ProcessEntry[] {
  const children = Map.groupBy(readProcesses(), ({ parentPid }) => parentPid);
  const found: ProcessEntry[] = [];
  let generation = children.get(pid) ?? [];
  while (generation.length > 0) {
    found.push(...generation.filter(({ isZombie }) => !isZombie));
    generation = generation.flatMap((entry) => children.get(entry.pid) ?? []);
  }
  return found;
}

/** The process's id in the innermost pid namespace it lives in; null when it is gone. */
export function innermostPid(pid: number): number | null {
  const line = readText(`/proc/${pid}/status`)?.match(/^NSpid:\s+(.*)$/m)?.[1];
  const last = line?.split(/\s+/).at(-1);
  return last === undefined ? null : Number(last);
}

/** Processes whose environment, as it was at their start, contains all of `entries`. */
export function processesWithEnvironment(entries: readonly string[]): readonly number[] {
  return readProcesses()
    .map(({ pid }) => pid)
    .filter((pid) => {
      const environment = readText(`/proc/${pid}/environ`)?.split("\0") ?? [];
      return entries.every((entry) => environment.includes(entry));
    });
}

/** Other processes may end at any moment, and not all of them may be read. */
function readText(path: string): string | null {
  try {
    return readFileSync(path, "latin1");
  } catch {
    return null;
  }
}

/** False: there was no such process, or it was none of ours. */
export function sendSignal(pid: number, signal: "SIGTERM" | "SIGKILL"): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}
