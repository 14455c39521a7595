import { loadavg } from "node:os";
import { JobsService } from "../../proto/gen/nl/v1/jobs.ts";
import { etcdBinary, PUT_PATH, startEtcd } from "./etcd-cluster.ts";
import { reportJobRates } from "./job-rate.ts";
import type { Lab } from "./lab.ts";
import { type Load, LoadGenerator, type LoadResult } from "./load.ts";
import { startNl, statusOf } from "./nl-cluster.ts";
import type { BenchOptions } from "./options.ts";
import { createPayload } from "./payload.ts";
import type { RunningCluster } from "./running-cluster.ts";
import { median, millis, rate, ratio, table } from "./statistics.ts";

type Case = {
  readonly name: string;
  readonly nl: Load;
  /** What etcd has no word for is compared with its best unary rate. */
  readonly etcd: Load | null;
};

const UNARY = [1, 16, 64, 256].map((inFlight): Case => {
  const load = (path: string): Load => ({ kind: "unary", path, inFlight });
  const many = inFlight === 1 ? "1 client" : `${inFlight} clients`;
  return { name: `${many}, unary`, nl: load(JobsService.submitJob.path), etcd: load(PUT_PATH) };
});

const CASES: readonly Case[] = [
  ...UNARY,
  { name: "1,024 in flight on 1 stream", nl: { kind: "stream", inFlight: 1_024 }, etcd: null },
  { name: "batch of 64 × 16 in flight", nl: { kind: "batch", jobs: 64, inFlight: 16 }, etcd: null },
];

/**
 * A runtime that compiles while it runs spends an eighth of its first minute on that. The last two
 * are short: they fill the state.
 */
const WARM_UP = [
  { name: "64 clients, unary", millis: 20_000 },
  { name: "256 clients, unary", millis: 10_000 },
  { name: "1,024 in flight on 1 stream", millis: 1_500 },
  { name: "batch of 64 × 16 in flight", millis: 1_500 },
];
/** A state holds a million jobs: the rest is room for the fastest round. */
const PENDING_MAX = 600_000;

/** The share of a case that only warms up. */
const WARM_UP_SHARE = 0.4;

type Measured = { readonly nl: LoadResult; readonly etcd: LoadResult | null };
type Round = ReadonlyMap<string, Measured>;

/** Interleaved rounds against fresh clusters; prints one table of medians and ratios. */
export async function benchSubmit(lab: Lab, options: BenchOptions): Promise<void> {
  const withEtcd = options.etcd && etcdBinary() !== null;
  if (!withEtcd) console.log("! without etcd (Debian: etcd-server): no ratios");
  const cases = CASES.filter(({ name }) => options.only === null || name.includes(options.only));
  const rounds: Round[] = [];
  let stage: Stage | null = null;
  for (let round = 1; round <= options.rounds; round++) {
    stage = await freshEnough(lab, stage, { options, withEtcd, round });
    rounds.push(await runRound(stage, options, { number: round, cases }));
    console.error(`round ${round} of ${options.rounds} done, load ${loadAverage()}`);
  }
  if (stage !== null) await tearDown(lab, stage, options);
  const { bytes } = createPayload(options);
  console.log(
    `\nsubmit: ${options.rounds} rounds of ${options.seconds} s a case, medians, ` +
      `${bytes} B a message${options.distinct ? ", every spec distinct" : ""}, 3 nodes, mTLS\n`,
  );
  console.log(table([HEADINGS, ...cases.map((one) => rowOf(one, cases, rounds))]));
  reportFailures(rounds);
  if (options.only === null) await reportJobRates(lab, options);
}

/** What the rounds run on: both clusters up and warm, and the one program that loads them. */
type Stage = {
  readonly nl: RunningCluster;
  readonly etcd: RunningCluster | null;
  readonly generator: LoadGenerator;
};

type StagePlan = {
  readonly options: BenchOptions;
  readonly withEtcd: boolean;
  readonly round: number;
};

/** New clusters for the first round, and whenever the jobs of the old one would fill a node. */
async function freshEnough(lab: Lab, stage: Stage | null, plan: StagePlan): Promise<Stage> {
  if (stage !== null) {
    const counts = (await statusOf(stage.nl.target))?.counts;
    if (counts !== undefined && counts.pending <= PENDING_MAX) return stage;
    await tearDown(lab, stage, plan.options);
  }
  const { options, withEtcd, round } = plan;
  const nl = await startNl(lab, `nl-${round}`, options);
  const etcd = withEtcd ? await startEtcd(lab, `etcd-${round}`) : null;
  const generator = new LoadGenerator();
  lab.onClose(() => generator.close());
  const fresh = { nl, etcd, generator };
  await warmUp(fresh, options);
  return fresh;
}

/** A server that runs for months is not measured in the seconds in which its code is compiled. */
async function warmUp({ nl, etcd, generator }: Stage, { distinct }: BenchOptions): Promise<void> {
  const warm = async (cluster: RunningCluster | null, load: Load | null, millis: number) => {
    if (cluster === null || load === null) return;
    const { target } = cluster;
    await generator.run({ target, load, distinct, warmUpMillis: 0, measureMillis: millis });
  };
  for (const { name, millis } of WARM_UP) {
    const one = CASES.find((known) => known.name === name);
    if (one === undefined) throw new Error(`no case is called ${name}`);
    await warm(nl, one.nl, millis);
    await warm(etcd, one.etcd, millis);
  }
}

async function tearDown(lab: Lab, stage: Stage, options: BenchOptions): Promise<void> {
  await stage.generator.close();
  // A profile is written when a process ends by itself.
  const signal = options.profileDirectory === null ? "SIGKILL" : "SIGTERM";
  await lab.stop(stage.nl.processes, signal);
  if (stage.etcd !== null) await lab.stop(stage.etcd.processes);
}

type RoundPlan = { readonly number: number; readonly cases: readonly Case[] };

async function runRound(stage: Stage, options: BenchOptions, plan: RoundPlan): Promise<Round> {
  const { nl, etcd, generator } = stage;
  const measure = (cluster: RunningCluster, load: Load) =>
    generator.run({
      target: cluster.target,
      load,
      distinct: options.distinct,
      warmUpMillis: options.seconds * 1000 * WARM_UP_SHARE,
      measureMillis: options.seconds * 1000 * (1 - WARM_UP_SHARE),
    });
  const round = new Map<string, Measured>();
  for (const one of plan.cases) {
    const ofEtcd = () => (etcd === null || one.etcd === null ? null : measure(etcd, one.etcd));
    // Who goes first changes every round, so that a slow drift of the machine favours nobody.
    const early = plan.number % 2 === 0 ? await ofEtcd() : null;
    const ours = await measure(nl, one.nl);
    round.set(one.name, { nl: ours, etcd: early ?? (await ofEtcd()) });
    say(one.name, round.get(one.name));
  }
  return round;
}

const HEADINGS = [
  "load",
  ...["nl /s", "p50 ms", "p99 ms", "etcd /s", "p50 ms", "p99 ms"],
  ...["rate ratio", "p50 ratio"],
];

function rowOf(one: Case, cases: readonly Case[], rounds: readonly Round[]): readonly string[] {
  const measured = rounds.flatMap((round) => round.get(one.name) ?? []);
  const nl = (pick: (result: LoadResult) => number) => median(measured.map((m) => pick(m.nl)));
  const etcd = (pick: (result: LoadResult) => number) =>
    median(measured.flatMap((m) => (m.etcd === null ? [] : [pick(m.etcd)])));
  const rates = rounds.flatMap((round) => rateRatio(one, cases, round));
  const times = measured.flatMap((m) =>
    m.etcd === null ? [] : [m.nl.p50Millis / m.etcd.p50Millis],
  );
  return [
    one.name,
    rate(nl((result) => result.perSecond)),
    millis(nl((result) => result.p50Millis)),
    millis(nl((result) => result.p99Millis)),
    rate(etcd((result) => result.perSecond)),
    millis(etcd((result) => result.p50Millis)),
    millis(etcd((result) => result.p99Millis)),
    ratio(median(rates)) + (one.etcd === null && rates.length > 0 ? " *" : ""),
    ratio(median(times)),
  ];
}

/** Both of the same round. A case of ours alone is held against etcd's best of that round. */
function rateRatio(one: Case, cases: readonly Case[], round: Round): readonly number[] {
  const measured = round.get(one.name);
  if (measured === undefined) return [];
  const best = Math.max(
    ...cases.map(({ name }) => round.get(name)?.etcd?.perSecond ?? Number.NEGATIVE_INFINITY),
  );
  const theirs = measured.etcd?.perSecond ?? best;
  return Number.isFinite(theirs) ? [measured.nl.perSecond / theirs] : [];
}

function say(name: string, measured: Measured | undefined): void {
  if (measured === undefined) return;
  const words = ({ perSecond, p50Millis }: LoadResult) =>
    `${rate(perSecond)}/s p50 ${millis(p50Millis)} ms`;
  const etcd = measured.etcd === null ? "" : ` · etcd ${words(measured.etcd)}`;
  console.error(`  ${name}: nl ${words(measured.nl)}${etcd}`);
}

function reportFailures(rounds: readonly Round[]): void {
  console.log("\n* against etcd's best unary rate of the same round");
  for (const [number, round] of rounds.entries()) {
    for (const [name, { nl, etcd }] of round) {
      for (const [system, result] of Object.entries({ nl, etcd })) {
        if (result === null || result.failed === 0) continue;
        console.log(
          `! round ${number + 1}, ${name}, ${system}: ${result.failed} failed, ` +
            `the first with: ${result.firstFailure}`,
        );
      }
    }
  }
}

const loadAverage = (): string => (loadavg()[0] ?? 0).toFixed(1);
