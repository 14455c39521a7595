import { readdirSync, readFileSync } from "node:fs";

/** Processes that name `text` in their command line or their environment; never this one. */
export function processesNaming(text: string): readonly number[] {
  return allProcesses().filter(
    (pid) => names(`/proc/${pid}/environ`, text) || argvNames(pid, text),
  );
}

/** The words a process was started with; empty when it is gone. */
export const argvOf = (pid: number): readonly string[] =>
  read(`/proc/${pid}/cmdline`).split("\0").slice(0, -1);

export function allProcesses(): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid);
}

/** False for a zombie as well: it holds nothing any more. */
export function isAlive(pid: number): boolean {
  const stat = read(`/proc/${pid}/stat`);
  return stat !== "" && stat.slice(stat.lastIndexOf(")") + 2, stat.lastIndexOf(")") + 3) !== "Z";
}

export function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

const argvNames = (pid: number, text: string): boolean =>
  argvOf(pid).some((word) => word.includes(text));

const names = (path: string, text: string): boolean => read(path).includes(text);

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // Gone meanwhile, or another user's.
  }
}
