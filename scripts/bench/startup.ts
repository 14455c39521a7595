import { join } from "node:path";
import { openBareDriver } from "./bare-driver.ts";
import { measurePending } from "./heap.ts";
import { watchIdle } from "./idle.ts";
import type { Lab } from "./lab.ts";
import type { BenchOptions } from "./options.ts";
import { benchSpec, freshId } from "./payload.ts";
import { need } from "./running-cluster.ts";
import { median, millis, ratio, table } from "./statistics.ts";
import { clientOf, nlCommand, run, type UpCluster, up } from "./up-cluster.ts";

/** One figure, and what the project wants it to be. */
type Figure = {
  readonly name: string;
  readonly value: string;
  readonly target: string;
  readonly holds: boolean;
};

const VERSION_RUNS = 20;
const UP_RUNS = 3;
const JOB_RUNS = 15;
/** What a cluster does for the first time is compiled first: a node runs for months, not for a second. */
const FIRST_JOB_RUNS = 6;
const COMMIT_RUNS = 40;
const IDLE_SECONDS = 20;
/** Registration is over by then. To compile what runs when idle takes minutes: that part counts. */
const SETTLE_MILLIS = 20_000;
const PENDING_JOBS = 100_000;
/** Commits on the way of a job that `nl run` waits for: SEMANTICS counts six of them. */
const COMMITS_A_JOB = 6;

const UP_MILLIS_MAX = 2_500;
const VERSION_RATIO_MAX = 1.4;
const RUN_EXTRA_MILLIS = 80;
const AGENT_MEGABYTES_MAX = 130;
const HOST_MEGABYTES_MAX = 80;
const IDLE_SHARE_MAX = 0.015;
const PENDING_BYTES_MAX = 500;

/** How fast nl starts, and what it costs while nothing happens: everything from the built binary. */
export async function benchUp(lab: Lab, options: BenchOptions): Promise<void> {
  const binary = options.binary ?? (await buildBinary(lab));
  const figures: Figure[] = [];
  const add = (more: readonly Figure[]): void => {
    for (const { name, value, target } of more) console.error(`  ${name}: ${value} (${target})`);
    figures.push(...more);
  };
  add([await versionFigure(lab, binary)]);
  add([await upFigure(lab, binary)]);
  for (const driver of ["process", "docker"] as const) {
    add(await runFigures(lab, { binary, driver }));
  }
  add(await idleFigures(lab, binary));
  add([await pendingFigure(lab, false), await pendingFigure(lab, true)]);
  const rows = figures.map(({ name, value, target, holds }) => [
    name,
    value,
    target,
    target === "" ? "" : holds ? "yes" : "NO",
  ]);
  console.log(`\n${table([["figure", "value", "wanted", "holds"], ...rows])}`);
}

async function buildBinary(lab: Lab): Promise<string> {
  const binary = join(lab.directory, "nl");
  const script = join(import.meta.dir, "..", "build.ts");
  const { exitCode, said } = await run([process.execPath, "--no-env-file", script, binary]);
  if (exitCode !== 0) throw new Error(`the build failed:\n${said}`);
  return binary;
}

/** Against a program that does nothing, compiled the same way: what Bun itself costs is not ours. */
async function versionFigure(lab: Lab, binary: string): Promise<Figure> {
  const empty = join(lab.directory, "empty");
  await Bun.write(`${empty}.ts`, "export {};\n");
  const built = await Bun.build({
    entrypoints: [`${empty}.ts`],
    target: "bun",
    format: "esm",
    minify: true,
    bytecode: true,
    compile: { outfile: empty, autoloadDotenv: false, autoloadBunfig: false },
  });
  if (!built.success) throw new Error("the empty program could not be built");
  const ours: number[] = [];
  const theirs: number[] = [];
  for (let i = 0; i < VERSION_RUNS; i++) {
    theirs.push((await run([empty])).millis);
    ours.push((await run([binary, "version"])).millis);
  }
  const share = median(ours) / median(theirs);
  return {
    name: "nl version / empty Bun program",
    value: `${ratio(share)} (${millis(median(ours))} / ${millis(median(theirs))} ms)`,
    target: `≤ ${VERSION_RATIO_MAX}×`,
    holds: share <= VERSION_RATIO_MAX,
  };
}

async function upFigure(lab: Lab, binary: string): Promise<Figure> {
  const times: number[] = [];
  for (let i = 0; i < UP_RUNS; i++) {
    const cluster = await up(lab, { name: `up-${i}`, binary, driver: "auto" });
    times.push(cluster.upMillis);
    await cluster.down();
  }
  return {
    name: "nl up, exec to exit",
    value: `${millis(median(times))} ms`,
    target: `≤ ${UP_MILLIS_MAX} ms`,
    holds: median(times) <= UP_MILLIS_MAX,
  };
}

type RunCase = { readonly binary: string; readonly driver: "process" | "docker" };

/** `nl run -- true`, next to the same driver without a cluster and commits by one client. */
async function runFigures(lab: Lab, { binary, driver }: RunCase): Promise<readonly Figure[]> {
  const bare = await openBareDriver(driver, join(lab.directory, `bare-${driver}`));
  if (bare === null) {
    console.log(`! the driver ${driver} does not work here: no figure`);
    return [];
  }
  const cluster = await up(lab, { name: `run-${driver}`, binary, driver });
  const argv = nlCommand(binary, "run", "--data", cluster.root, "--", "true");
  const whole: number[] = [];
  const alone: number[] = [];
  for (let i = -FIRST_JOB_RUNS; i < JOB_RUNS; i++) {
    const bareMillis = await bare.run();
    const { millis: took, exitCode, said } = await run(argv);
    if (exitCode !== 0) throw new Error(`nl run -- true exited ${exitCode}:\n${said}`);
    if (i < 0) continue;
    alone.push(bareMillis);
    whole.push(took);
  }
  const commit = await commitMillis(cluster);
  await cluster.down();
  const allowed = median(alone) + COMMITS_A_JOB * commit + RUN_EXTRA_MILLIS;
  const parts = `${millis(median(alone))} + ${COMMITS_A_JOB} × ${millis(commit)} + ${RUN_EXTRA_MILLIS}`;
  return [
    {
      name: `nl run -- true, ${driver}`,
      value: `${millis(median(whole))} ms`,
      target: `≤ ${millis(allowed)} ms (${parts})`,
      holds: median(whole) <= allowed,
    },
  ];
}

/** Median of one client's submissions, one at a time; the jobs are cancelled by `down`. */
async function commitMillis(cluster: UpCluster): Promise<number> {
  const client = clientOf(cluster);
  const spec = { ...benchSpec("never", ["true"]), resources: UNPLACEABLE };
  const times: number[] = [];
  for (let i = 0; i < COMMIT_RUNS; i++) {
    const from = performance.now();
    need(await client.submitJob({ jobId: freshId(), spec }));
    times.push(performance.now() - from);
  }
  client.close();
  return median(times);
}

/** More than any node has, so that only the commit is measured and nothing starts meanwhile. */
const UNPLACEABLE = { cpuMillis: 1_000_000, memoryBytes: 2 ** 40, pids: 128 };

async function idleFigures(lab: Lab, binary: string): Promise<readonly Figure[]> {
  const cluster = await up(lab, { name: "idle", binary, driver: "auto" });
  await Bun.sleep(SETTLE_MILLIS);
  const pids = cluster.nodes.flatMap(({ agent, host }) => [agent, host]);
  const watched = await watchIdle(pids, IDLE_SECONDS);
  await cluster.down();
  const agents = watched.filter((_, at) => at % 2 === 0);
  const hosts = watched.filter((_, at) => at % 2 === 1);
  const megabytes = (all: typeof watched): number =>
    Math.max(...all.map(({ rssBytes }) => rssBytes)) / 1024 / 1024;
  const share = Math.max(
    ...agents.map(({ cpuShare }, at) => cpuShare + (hosts[at]?.cpuShare ?? 0)),
  );
  return [
    atMost("idle agent, RSS (largest of 3)", megabytes(agents), AGENT_MEGABYTES_MAX),
    atMost("idle task host, RSS (largest of 3)", megabytes(hosts), HOST_MEGABYTES_MAX),
    {
      name: `both, CPU over ${IDLE_SECONDS} s (busiest of 3)`,
      value: `${(share * 100).toFixed(2)} % of a core`,
      target: `≤ ${IDLE_SHARE_MAX * 100} %`,
      holds: share <= IDLE_SHARE_MAX,
    },
  ];
}

const atMost = (name: string, value: number, most: number): Figure => ({
  name,
  value: `${value.toFixed(0)} MB`,
  target: `≤ ${most} MB`,
  holds: value <= most,
});

async function pendingFigure(lab: Lab, distinct: boolean): Promise<Figure> {
  const cost = await measurePending(lab, { jobs: PENDING_JOBS, distinct });
  const rss = `RSS ${Math.round(cost.rssBytesPerJob)} B`;
  return {
    name: `a pending job at 100 k${distinct ? ", every spec distinct" : ""}`,
    value: `${Math.round(cost.heapBytesPerJob)} B of heap (${rss})`,
    // The promise is about jobs that share their specs.
    target: distinct ? "" : `≤ ${PENDING_BYTES_MAX} B`,
    holds: cost.heapBytesPerJob <= PENDING_BYTES_MAX,
  };
}
