import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import type { JobId } from "../../engine/lib/ids.ts";
import type { ClusterStatus } from "../../proto/gen/nl/v1/cluster.ts";
import { FailoverCluster } from "./failover-cluster.ts";
import { usageOf } from "./idle.ts";
import type { Lab } from "./lab.ts";
import type { BenchOptions } from "./options.ts";
import { benchSpec, freshId } from "./payload.ts";
import { millis, rate, table } from "./statistics.ts";

const NODES = [0, 1, 2];
const CLIENTS = 32;
/** Submissions over the one stream that loads the cluster. */
const LOADING = 4_096;
const LOOK_MILLIS = 1_000;
const PROGRESS_MILLIS = 60_000;

const SPEC = benchSpec("soak", ["true"]);

/**
 * Full load for minutes with many jobs in memory: no election. The load submits jobs that exist, so
 * every write goes through log and state machine, and memory stays what it was.
 */
export async function benchSoak(lab: Lab, options: BenchOptions): Promise<void> {
  const { binary, jobs, minutes } = options;
  const cluster = await FailoverCluster.start(lab, "soak", { binary, profileDirectory: null });
  const client = cluster.client();
  const watch = new Watch(cluster);
  await watch.look();
  const ids = await load(client, jobs);
  console.error(`  ${ids.length} jobs loaded; term ${watch.terms()}`);
  await watch.look();
  const writers = new Rewriters(() => cluster.client(), ids);
  const until = performance.now() + minutes * 60_000;
  let sayAt = performance.now() + PROGRESS_MILLIS;
  while (performance.now() < until) {
    await Bun.sleep(LOOK_MILLIS);
    await watch.look();
    if (performance.now() < sayAt) continue;
    sayAt += PROGRESS_MILLIS;
    console.error(`  term ${watch.terms()}, ${writers.acked} writes, failed ${writers.failed}`);
  }
  const acked = writers.acked;
  await writers.stop();
  client.close();
  console.log(`\n${jobs} jobs, ${minutes} min, ${rate(acked / (minutes * 60))} writes/s`);
  console.log(watch.summary());
  console.log(`writes that failed: ${writers.failed}`);
  await cluster.stop();
}

async function load(client: GrpcClient, count: number): Promise<readonly JobId[]> {
  const ids = Array.from({ length: Math.max(1, count) }, freshId);
  const stream = client.submitStream();
  let next = 0;
  await Promise.all(
    Array.from({ length: LOADING }, async () => {
      for (let jobId = ids[next++]; jobId !== undefined; jobId = ids[next++]) {
        const answer = await stream.submit({ jobId, spec: SPEC });
        if (!answer.ok) throw new Error(answer.error.message);
      }
    }),
  );
  stream.close();
  return ids;
}

/** Clients that submit, one after the other, what was submitted before. */
class Rewriters {
  acked = 0;
  failed = 0;
  readonly #ids: readonly JobId[];
  readonly #running: readonly Promise<void>[];
  #next = 0;
  #isOver = false;

  constructor(connect: () => GrpcClient, ids: readonly JobId[]) {
    this.#ids = ids;
    this.#running = Array.from({ length: CLIENTS }, () => this.#keepWriting(connect()));
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  async #keepWriting(client: GrpcClient): Promise<void> {
    while (!this.#isOver) {
      const jobId = this.#ids[this.#next++ % this.#ids.length];
      if (jobId === undefined) break;
      const answer = await client.submitJob({ jobId, spec: SPEC });
      if (answer.ok) this.acked += 1;
      else this.failed += 1;
    }
    client.close();
  }
}

type Worst = { loopLag: number; logWrite: number; heartbeat: number; apply: number; rss: number };

/** What the three nodes say about themselves, once a second: the worst of it is kept. */
class Watch {
  readonly #cluster: FailoverCluster;
  readonly #terms = new Set<number>();
  readonly #worst: Worst[] = NODES.map(() => ({
    loopLag: 0,
    logWrite: 0,
    heartbeat: 0,
    apply: 0,
    rss: 0,
  }));

  constructor(cluster: FailoverCluster) {
    this.#cluster = cluster;
  }

  async look(): Promise<void> {
    for (const at of NODES) {
      const status = await this.#cluster.status(at);
      this.#terms.add(status.term);
      this.#note(at, status);
    }
  }

  terms(): string {
    return [...this.#terms].join(" → ");
  }

  summary(): string {
    const rows = this.#worst.map((one, at) => [
      `n${at + 1}`,
      ...[one.loopLag, one.logWrite, one.heartbeat, one.apply].map((value) => millis(value)),
      `${Math.round(one.rss / 1024 / 1024)} MB`,
    ]);
    const head = ["worst, ms", "loop lag", "log write", "heartbeat", "apply turn", "RSS"];
    return `terms ${this.terms()}: ${this.#terms.size - 1} elections\n${table([head, ...rows])}`;
  }

  #note(at: number, status: ClusterStatus): void {
    const worst = this.#worst[at];
    if (worst === undefined) return;
    const beats = status.peers.map(({ heartbeat }) => heartbeat?.maxMicros ?? 0);
    const isLeader = status.leaderId === status.nodeId;
    worst.loopLag = Math.max(worst.loopLag, (status.loopLag?.maxMicros ?? 0) / 1_000);
    worst.logWrite = Math.max(worst.logWrite, (status.logWrite?.maxMicros ?? 0) / 1_000);
    worst.apply = Math.max(worst.apply, (status.apply?.maxMicros ?? 0) / 1_000);
    if (isLeader) worst.heartbeat = Math.max(worst.heartbeat, ...beats.map((beat) => beat / 1_000));
    worst.rss = Math.max(worst.rss, usageOf(this.#cluster.pidOf(at)).rssBytes);
  }
}
