import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const NAME = "task-host.pid";

/**
 * Tells who serves the folder, for `nl down`. The start time guards against another process that
 * is given the same pid later.
 */
export function writeHostFile(folder: string): void {
  const stat = readFileSync("/proc/self/stat", "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const record = { pid: process.pid, startedTicks: fields[19] ?? "" };
  writeFileSync(join(folder, NAME), `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

export const removeHostFile = (folder: string): void => rmSync(join(folder, NAME), { force: true });
