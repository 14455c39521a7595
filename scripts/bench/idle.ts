import { readFileSync } from "node:fs";

export type Usage = { readonly rssBytes: number; readonly cpuMillis: number };

/** `sysconf(_SC_CLK_TCK)`: 100 on every Linux that Bun runs on. */
const TICK_MILLIS = 10;
const UTIME_FIELD = 11;
const STIME_FIELD = 12;

/** Resident memory and CPU time so far of a process, from /proc; Linux only. */
export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN);
  const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[UTIME_FIELD]) + Number(fields[STIME_FIELD]);
  return { rssBytes: kilobytes * 1024, cpuMillis: ticks * TICK_MILLIS };
}

/** The share of one core that a process uses over the next `seconds`, with its memory at the end. */
export async function watchIdle(
  pids: readonly number[],
  seconds: number,
): Promise<readonly { readonly rssBytes: number; readonly cpuShare: number }[]> {
  const before = pids.map(usageOf);
  const from = performance.now();
  await Bun.sleep(seconds * 1000);
  const elapsed = performance.now() - from;
  return pids.map((pid, at) => {
    const { rssBytes, cpuMillis } = usageOf(pid);
    return { rssBytes, cpuShare: (cpuMillis - (before[at]?.cpuMillis ?? 0)) / elapsed };
  });
}
