import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { JobsService } from "../../proto/gen/nl/v1/jobs.ts";
import type { Lab, Started } from "./lab.ts";
import { type Load, LoadGenerator, type LoadResult } from "./load.ts";
import { startNl, statusOf } from "./nl-cluster.ts";
import type { BenchOptions } from "./options.ts";
import { type RunningCluster, until } from "./running-cluster.ts";
import { median, millis, percentile, rate, table } from "./statistics.ts";

/**
 * What a slow disk costs (issue 4): two clusters, one on the disk as it is and one with 5 ms more
 * for every fsync, loaded in turns. The event loop must not feel it, and no term may begin.
 */

const EXTRA_MILLIS = 5;
const CALLS = "fsync,fdatasync";
const REPORT_MILLIS = 5_000;
const WARM_UP_SHARE = 0.2;

/** The program stays the parent's child (-D), and only these calls are stopped (--seccomp-bpf). */
const SLOW = [
  ...["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", `trace=${CALLS}`],
  ...["-e", `inject=${CALLS}:delay_exit=${EXTRA_MILLIS * 1000}`],
];

const unary = (inFlight: number): Load => ({
  kind: "unary",
  path: JobsService.submitJob.path,
  inFlight,
});

const LOADS: readonly (readonly [string, Load])[] = [
  ["1 client, unary", unary(1)],
  ["64 clients, unary", unary(64)],
  ["1,024 in flight on 1 stream", { kind: "stream", inFlight: 1_024 }],
];

type Measured = {
  readonly load: LoadResult;
  readonly lagP50Millis: number;
  readonly lagP99Millis: number;
  readonly elections: number;
};

type Disk = { readonly name: string; readonly cluster: RunningCluster };

export async function benchSlowDisk(lab: Lab, options: BenchOptions): Promise<void> {
  if (Bun.which("strace") === null) throw new Error("it needs strace (Debian: strace)");
  const preload = join(import.meta.dir, "lag-probe.ts");
  const disks: readonly Disk[] = [
    { name: "as it is", cluster: await startNl(lab, "fast", { ...options, preload }) },
    { name: "+5 ms", cluster: await startNl(lab, "slow", { ...options, preload, under: SLOW }) },
  ];
  const generator = new LoadGenerator();
  lab.onClose(() => generator.close());
  const rows: (readonly string[])[] = [];
  for (const [name, load] of LOADS) {
    const rounds: Measured[][] = disks.map(() => []);
    for (let round = 0; round < options.rounds; round++) {
      for (const [at, disk] of disks.entries()) {
        rounds[at]?.push(await measure(lab, disk, { load, generator, options }));
      }
    }
    for (const [at, disk] of disks.entries()) rows.push(rowOf(name, disk, rounds[at] ?? []));
  }
  console.log(
    `\nslow disk: ${options.rounds} rounds of ${options.seconds} s, medians; lag of the leader's ` +
      "event loop\n",
  );
  console.log(table([HEADINGS, ...rows]));
}

const HEADINGS = ["load", "disk", "/s", "p50 ms", "lag p50 ms", "lag p99 ms", "elections"];

function rowOf(name: string, disk: Disk, rounds: readonly Measured[]): readonly string[] {
  const middle = (pick: (measured: Measured) => number) => median(rounds.map(pick));
  return [
    name,
    disk.name,
    rate(middle(({ load }) => load.perSecond)),
    millis(middle(({ load }) => load.p50Millis)),
    millis(middle(({ lagP50Millis }) => lagP50Millis)),
    millis(middle(({ lagP99Millis }) => lagP99Millis)),
    String(rounds.reduce((sum, { elections }) => sum + elections, 0)),
  ];
}

type Plan = {
  readonly load: Load;
  readonly generator: LoadGenerator;
  readonly options: BenchOptions;
};

async function measure(lab: Lab, { cluster }: Disk, plan: Plan): Promise<Measured> {
  const { load, generator, options } = plan;
  const millis = options.seconds * 1000;
  const run = (measureMillis: number): Promise<LoadResult> => {
    const { target } = cluster;
    return generator.run({ target, load, distinct: false, warmUpMillis: 0, measureMillis });
  };
  await run(millis * WARM_UP_SHARE);
  const termBefore = await termOf(cluster);
  await lagSince(lab, cluster.leader);
  const result = await run(millis * (1 - WARM_UP_SHARE));
  const lag = await lagSince(lab, cluster.leader);
  return {
    load: result,
    lagP50Millis: percentile(lag, 0.5),
    lagP99Millis: percentile(lag, 0.99),
    elections: (await termOf(cluster)) - termBefore,
  };
}

async function termOf({ target }: RunningCluster): Promise<number> {
  const status = await statusOf(target);
  if (status === null) throw new Error("the leader does not answer");
  return status.term;
}

/** What the probe of a process saw since it was last asked, sorted. */
async function lagSince(lab: Lab, started: Started): Promise<Float64Array> {
  const path = join(lab.directory, `lag-${started.pid}.json`);
  rmSync(path, { force: true });
  process.kill(started.pid, "SIGUSR2");
  const limit = { processes: [started], millis: REPORT_MILLIS };
  const text = await until(lab, limit, () => {
    const isThere = existsSync(path) && readFileSync(path, "utf8").endsWith("]");
    return Promise.resolve(isThere ? readFileSync(path, "utf8") : null);
  });
  return Float64Array.from(JSON.parse(text) as number[]);
}
