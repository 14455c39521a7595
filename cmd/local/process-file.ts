import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

/**
 * A process we started, remembered across our own lives. The start time guards against another
 * process that was given the same pid later: only processes of ours are ever signalled.
 */
export type ProcessRecord = { readonly pid: number; readonly startedTicks: string };

export function writeProcessFile(path: string, pid: number): void {
  const record: ProcessRecord = { pid, startedTicks: startTicks(pid) ?? "" };
  writeFileSync(path, `${JSON.stringify(record)}\n`, { mode: 0o600 });
}

/**
 * Records this process in a file that nobody else holds; false: a living process holds it. What a
 * dead one left behind is taken over.
 */
export function tryHoldProcessFile(path: string): boolean {
  const own = `${path}.${process.pid}`;
  writeProcessFile(own, process.pid);
  try {
    if (tryLink(own, path)) return true;
    if (livingProcess(path) !== null) return false;
    // Moved away and looked at again: meanwhile it may have become another's.
    const stale = `${own}.stale`;
    renameSync(path, stale);
    if (livingProcess(stale) !== null) tryLink(stale, path);
    rmSync(stale, { force: true });
    return tryLink(own, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false; // Let go just now.
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Lets go of a file that this process holds. */
export const releaseProcessFile = (path: string): void => rmSync(path, { force: true });

/** Appears with all its content or not at all; false: there is one already. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

/** The recorded process when it is still alive, else null. */
export function livingProcess(path: string): number | null {
  const record = readRecord(path);
  if (record === null) return null;
  const ticks = startTicks(record.pid);
  return ticks !== null && ticks === record.startedTicks ? record.pid : null;
}

function readRecord(path: string): ProcessRecord | null {
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, "utf8"));
    if (typeof parsed !== "object" || parsed === null) return null;
    const { pid, startedTicks } = parsed as Partial<ProcessRecord>;
    return typeof pid === "number" && typeof startedTicks === "string"
      ? { pid, startedTicks }
      : null;
  } catch {
    return null; // Absent or half-written: then there is no process to speak of.
  }
}

/** Field 22 of /proc/PID/stat; null when the process is gone or a zombie. */
function startTicks(pid: number): string | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? null : (fields[19] ?? null);
  } catch {
    return null;
  }
}

/** Resolves true once the process is gone, false when it outlives `millis`. */
export async function gone(pid: number, millis: number): Promise<boolean> {
  const deadline = performance.now() + millis;
  while (startTicks(pid) !== null) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(20);
  }
  return true;
}
