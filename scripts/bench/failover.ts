import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import { FailoverCluster, nodeId, write } from "./failover-cluster.ts";
import type { Lab } from "./lab.ts";
import type { BenchOptions } from "./options.ts";
import { median, millis, percentile, table } from "./statistics.ts";
import { Writers } from "./writers.ts";

const CLIENTS = 16;
/** A freeze costs seconds, so there are fewer of them. */
const KILLS_A_FREEZE = 5;
const KILLS_A_TRANSFER = 2;
/** Connections and streams are there again. */
const SETTLE_MILLIS = 500;
const WARM_UP_MILLIS = 1_000;
const DOWN_ROUNDS = 5;

const KILL_P50_MILLIS_MAX = 200;
const FREEZE_P50_MILLIS_MAX = 2_000;
const TRANSFER_MILLIS_MAX = 50;
const DOWN_RATIO_MAX = 2;

type Figure = {
  readonly name: string;
  readonly values: readonly number[];
  readonly wanted: string;
  readonly holds: boolean;
};

/** How long nobody is answered when a leader dies, freezes, or hands over; a follower is nothing. */
export async function benchFailover(lab: Lab, options: BenchOptions): Promise<void> {
  const { kills, binary, only } = options;
  const cluster = await FailoverCluster.start(lab, "failover", { binary, profileDirectory: null });
  const cases: readonly (readonly [string, () => Promise<readonly Figure[]>])[] = [
    ["kill", () => killFigures(cluster, kills)],
    ["freeze", () => freezeFigures(cluster, Math.max(1, Math.ceil(kills / KILLS_A_FREEZE)))],
    ["transfer", () => transferFigures(cluster, Math.max(1, Math.ceil(kills / KILLS_A_TRANSFER)))],
    ["follower", () => followerFigures(cluster, options.seconds)],
  ];
  const figures: Figure[] = [];
  for (const [name, measure] of cases) {
    if (only !== null && !name.includes(only)) continue;
    const more = await measure();
    for (const figure of more) console.error(`  ${row(figure).join("  ")}`);
    figures.push(...more);
  }
  await cluster.stop();
  const head = ["", "n", "p50", "p90", "max", "wanted", "holds"];
  console.log(`\n${table([head, ...figures.map(row)])}`);
}

function row({ name, values, wanted, holds }: Figure): readonly string[] {
  const sorted = Float64Array.from(values).sort();
  const shown = [0.5, 0.9, 1].map((share) => millis(percentile(sorted, share)));
  return [name, `${values.length}`, ...shown, wanted, holds ? "yes" : "NO"];
}

const p50AtMost = (name: string, values: readonly number[], most: number): Figure => ({
  name,
  values,
  wanted: `p50 ≤ ${most}`,
  holds: median(values) <= most,
});

async function killFigures(cluster: FailoverCluster, count: number): Promise<readonly Figure[]> {
  const times: number[] = [];
  for (let kill = 0; kill < count; kill++) {
    const leader = await settled(cluster);
    times.push(await untilNextWrite(cluster, () => cluster.kill(leader)));
    await cluster.restart(leader);
  }
  return [p50AtMost("kill -9 of the leader → next acked write, ms", times, KILL_P50_MILLIS_MAX)];
}

async function freezeFigures(cluster: FailoverCluster, count: number): Promise<readonly Figure[]> {
  const times: number[] = [];
  for (let freeze = 0; freeze < count; freeze++) {
    const leader = await settled(cluster);
    times.push(await untilNextWrite(cluster, () => cluster.signal(leader, "SIGSTOP")));
    cluster.signal(leader, "SIGCONT");
  }
  return [p50AtMost("SIGSTOP of the leader → next acked write, ms", times, FREEZE_P50_MILLIS_MAX)];
}

async function settled(cluster: FailoverCluster): Promise<number> {
  await cluster.settledLeader();
  await Bun.sleep(SETTLE_MILLIS);
  return cluster.settledLeader();
}

/** Of a client that, like any other, knows who led until now. */
async function untilNextWrite(cluster: FailoverCluster, disturb: () => void): Promise<number> {
  const client = cluster.client();
  // The second goes to the leader itself.
  await write(client);
  await write(client);
  disturb();
  const from = performance.now();
  await write(client);
  const took = performance.now() - from;
  client.close();
  return took;
}

/** 16 clients write all the while: nobody is refused, and the longest silence is the cost. */
async function transferFigures(
  cluster: FailoverCluster,
  count: number,
): Promise<readonly Figure[]> {
  const control = cluster.client();
  const gaps: number[] = [];
  const calls: number[] = [];
  const usual: number[] = [];
  let failed = 0;
  for (let transfer = 0; transfer < count; transfer++) {
    const leader = await settled(cluster);
    const writers = new Writers(() => cluster.client(), CLIENTS);
    await Bun.sleep(WARM_UP_MILLIS);
    usual.push(writers.longestSilence());
    writers.beginAnew();
    calls.push(await transferTo(control, nodeId((leader + 1) % 3)));
    await Bun.sleep(SETTLE_MILLIS);
    const { silence, failures } = await writers.stop();
    gaps.push(silence);
    failed += failures.length;
    for (const failure of failures) console.error(`  failed: ${failure}`);
  }
  control.close();
  const longest = p50AtMost("transfer: longest silence, ms", gaps, TRANSFER_MILLIS_MAX);
  return [
    { ...longest, holds: longest.holds && failed === 0, wanted: `${longest.wanted}, no failure` },
    { name: "  the call itself, ms", values: calls, wanted: "", holds: true },
    { name: "  longest silence without one, ms", values: usual, wanted: "", holds: true },
    { name: "  failed writes", values: [failed], wanted: "0", holds: failed === 0 },
  ];
}

async function transferTo(control: GrpcClient, to: string): Promise<number> {
  const from = performance.now();
  const answer = await control.transferLeader(to);
  if (!answer.ok) throw new Error(`transfer to ${to}: ${answer.error.message}`);
  return performance.now() - from;
}

/** Rounds with all three, then without one follower, interleaved: the ratio of their p99. */
async function followerFigures(
  cluster: FailoverCluster,
  seconds: number,
): Promise<readonly Figure[]> {
  const ratios: number[] = [];
  let failed = 0;
  for (let round = 0; round < DOWN_ROUNDS; round++) {
    const leader = await settled(cluster);
    const follower = (leader + 1 + (round % 2)) % 3;
    const writers = new Writers(() => cluster.client(), CLIENTS);
    await Bun.sleep(WARM_UP_MILLIS);
    writers.beginAnew();
    await Bun.sleep(seconds * 1_000);
    const whole = p99Of(writers.latencies());
    writers.beginAnew();
    cluster.kill(follower);
    await Bun.sleep(seconds * 1_000);
    const without = p99Of(writers.latencies());
    const { failures } = await writers.stop();
    failed += failures.length;
    for (const failure of failures) console.error(`  failed: ${failure}`);
    ratios.push(without / whole);
    await cluster.restart(follower);
  }
  return [
    {
      name: "write p99 after kill -9 of a follower / before",
      values: ratios,
      wanted: `p50 < ${DOWN_RATIO_MAX}, no failure`,
      holds: median(ratios) < DOWN_RATIO_MAX && failed === 0,
    },
    { name: "  failed writes", values: [failed], wanted: "0", holds: failed === 0 },
  ];
}

const p99Of = (values: readonly number[]): number =>
  percentile(Float64Array.from(values).sort(), 0.99);
