import { join } from "node:path";
import type { LogValue } from "../../engine/platform/logger.ts";
import type { Replica } from "../../engine/replica/replica.ts";
import type { Lab } from "./lab.ts";
import type { BenchOptions } from "./options.ts";
import { found, mintId, open, propose, specOf, start, until } from "./single-replica.ts";
import { millis, percentile, table } from "./statistics.ts";

/**
 * One replica on the real log store and snapshot files, with a million jobs in memory: how long a
 * snapshot holds the loop while clients write, and how long a start from it takes.
 */

const JOBS = Number(process.env["NL_BENCH_JOBS"] ?? 1_000_000);
const JOBS_PER_ENTRY = 500;
const ENTRIES_AT_ONCE = 16;
const WRITES_PER_SECOND = 200;
const QUIET_SECONDS = 5;
const WORTH_COUNTING_MILLIS = 0.1;

/** Changed between the phases: a snapshot is made when the bench wants one. */
const policy = { entries: 1e12, logBytes: 1e15, keepEntries: 10_000, recordsPerSlice: 4_096 };

export async function benchSnapshot(lab: Lab, _options: BenchOptions): Promise<void> {
  const directory = join(lab.directory, "n1");
  const said = new Map<string, Readonly<Record<string, LogValue>>>();
  found(directory);
  const replica = open(directory, policy, said);
  await start(replica);
  await fill(replica);

  const quiet = await underWrites(replica, () => Bun.sleep(QUIET_SECONDS * 1000));
  policy.entries = 1;
  const walking = await underWrites(replica, async () => {
    while (!said.has("made a snapshot")) await Bun.sleep(20);
  });
  policy.entries = 1e12;
  await new Promise<void>((done) => replica.stop({ handOver: false }, done));
  const hash = replica.view.stateHash();

  const next = open(directory, policy, said);
  const from = performance.now();
  const loading = watchLoop(setImmediate);
  await start(next);
  const loadMillis = performance.now() - from;
  const load = loading.end();
  await until(() => next.view.stateHash() === hash, 60_000);
  report({ quiet, walking, load, loadMillis, made: said.get("made a snapshot") ?? {} });
  await new Promise<void>((done) => next.stop({ handOver: false }, done));
}

type Holds = { readonly wall: Float64Array; readonly cpu: Float64Array };
type Phase = { readonly holds: Holds; readonly writes: Float64Array };

/** Steady writes, one at a time, while `wait` lasts. */
async function underWrites(replica: Replica, wait: () => Promise<void>): Promise<Phase> {
  let isOver = false;
  const writes: number[] = [];
  const write = async (): Promise<void> => {
    while (!isOver) {
      const from = performance.now();
      await propose(replica, [freshJob()]);
      writes.push(performance.now() - from);
      await Bun.sleep(1000 / WRITES_PER_SECOND);
    }
  };
  const writing = write();
  const loop = watchLoop((look) => setTimeout(look, 0));
  await wait();
  const holds = loop.end();
  isOver = true;
  await writing;
  return { holds, writes: Float64Array.from(writes).sort() };
}

/**
 * Looks every turn of the event loop how long the one before it took, in time and in CPU time of
 * its thread: what other programs take away counts in the former only. `soon` arranges for the next
 * look: with a timer a loop that has nothing to do sleeps, and two turns may pass for one; with an
 * immediate it is every turn, of which the empty ones are left out.
 */
function watchLoop(soon: (look: () => void) => void): { readonly end: () => Holds } {
  const wall: number[] = [];
  const cpu: number[] = [];
  let isOver = false;
  let last = performance.now();
  let lastCpu = cpuMillis();
  const look = (): void => {
    const [now, nowCpu] = [performance.now(), cpuMillis()];
    if (now - last >= WORTH_COUNTING_MILLIS) {
      wall.push(now - last);
      cpu.push(nowCpu - lastCpu);
    }
    last = now;
    lastCpu = nowCpu;
    if (!isOver) soon(look);
  };
  look();
  return {
    end: () => {
      isOver = true;
      return { wall: Float64Array.from(wall).sort(), cpu: Float64Array.from(cpu).sort() };
    },
  };
}

function cpuMillis(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1000;
}

function freshJob() {
  const jobId = mintId();
  return { jobId, spec: specOf(jobId) };
}

async function fill(replica: Replica): Promise<void> {
  let left = JOBS;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= JOBS_PER_ENTRY;
      await propose(replica, Array.from({ length: JOBS_PER_ENTRY }, freshJob));
    }
  };
  await Promise.all(Array.from({ length: ENTRIES_AT_ONCE }, one));
}

function report(found: {
  readonly quiet: Phase;
  readonly walking: Phase;
  readonly load: Holds;
  readonly loadMillis: number;
  readonly made: Readonly<Record<string, LogValue>>;
}): void {
  const { bytes, tookMillis, longestSliceMillis } = found.made;
  const row = (name: string, sorted: Float64Array): string[] => [
    name,
    ...[0.5, 0.99, 0.999, 1].map((share) => millis(percentile(sorted, share))),
  ];
  const rows = (name: string, { wall, cpu }: Holds): string[][] => [
    row(name, wall),
    row(`${name}, CPU`, cpu),
  ];
  console.log(`${JOBS} jobs; the snapshot has ${bytes} bytes and took ${tookMillis} ms, its`);
  console.log(
    `longest slice ${longestSliceMillis} ms; the start from it took ${millis(found.loadMillis)} ms`,
  );
  console.log(
    table([
      ["ms", "p50", "p99", "p99.9", "max"],
      ...rows("turn of the loop, no snapshot", found.quiet.holds),
      ...rows("turn of the loop, snapshot", found.walking.holds),
      ...rows("turn of the loop, loading", found.load),
      row("write, no snapshot", found.quiet.writes),
      row("write, snapshot", found.walking.writes),
    ]),
  );
}
