import { readdirSync, readFileSync } from "node:fs";

export type Usage = { readonly rssBytes: number; readonly cpuMillis: number };

const NANOS_A_MILLI = 1e6;

/** Resident memory and CPU time so far of a process, from /proc; Linux only. */
export function usageOf(pid: number): Usage {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const kilobytes = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN);
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanos = threads.reduce((sum, thread) => sum + nanosOf(`/proc/${pid}/task/${thread}`), 0);
  return { rssBytes: kilobytes * 1024, cpuMillis: nanos / NANOS_A_MILLI };
}

/** Exact, where `stat` counts in ticks of 10 ms and so says too much of who wakes up often. */
function nanosOf(folder: string): number {
  try {
    return Number(readFileSync(`${folder}/schedstat`, "latin1").split(" ")[0]);
  } catch {
    return 0; // The thread has ended meanwhile.
  }
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
