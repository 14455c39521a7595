import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { createServer } from "node:net";

/** True when nobody listens on this TCP port of the loopback address. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => {
      probe.close(() => resolve(true));
    });
  });
}

/** The first port of a row of `count` free ones, starting at `from` in steps of `step`. */
export async function findFreeRow(
  from: number,
  count: number,
  step: number,
): Promise<number | null> {
  for (let first = from; first + count < 32_768; first += step) {
    if ((await firstTaken(first, count)) === null) return first;
  }
  return null;
}

export async function firstTaken(first: number, count: number): Promise<number | null> {
  for (let port = first; port < first + count; port++) {
    if (!(await isFree(port))) return port;
  }
  return null;
}

/** "postgres (pid 912)", as far as this user may know; Linux only. */
export function holderOf(port: number): string {
  const inode = listeningInode(port);
  if (inode === null) return "another process";
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    if (holdsSocket(pid, inode)) return `${commandOf(pid)} (pid ${pid})`;
  }
  return "another user's process";
}

const LISTEN = "0A";

function listeningInode(port: number): string | null {
  const wanted = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    for (const line of readLines(table)) {
      const columns = line.trim().split(/\s+/);
      if (columns[1]?.endsWith(wanted) === true && columns[3] === LISTEN) return columns[9] ?? null;
    }
  }
  return null;
}

function readLines(path: string): readonly string[] {
  try {
    return readFileSync(path, "utf8").split("\n");
  } catch {
    return []; // Not Linux: the holder stays unnamed.
  }
}

function holdsSocket(pid: string, inode: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some(
      (fd) => readlinkSync(`/proc/${pid}/fd/${fd}`) === `socket:[${inode}]`,
    );
  } catch {
    return false; // Gone meanwhile, or another user's.
  }
}

function commandOf(pid: string): string {
  return readLines(`/proc/${pid}/comm`)[0] ?? "a process";
}
