import type { Client } from "@grpc/grpc-js";
import { ClusterService, type PeerStatus } from "../../proto/gen/nl/v1/cluster.ts";
import { JobsService } from "../../proto/gen/nl/v1/jobs.ts";
import type { Lab, Started } from "./lab.ts";
import { LoadGenerator, type LoadResult } from "./load.ts";
import { startNl, startNode, statusOf } from "./nl-cluster.ts";
import type { BenchOptions } from "./options.ts";
import { createPayload } from "./payload.ts";
import type { Figure } from "./raft.ts";
import { call, openClient } from "./raw-client.ts";
import { type RunningCluster, until } from "./running-cluster.ts";
import { millis, ratio } from "./statistics.ts";

const ENTRIES = Number(process.env["NL_BENCH_CATCH_UP"] ?? 100_000);
const FILLERS = 256;
const FILL_MILLIS = 2_000;
/** Clients whose write latency is compared, with the follower away and while it catches up. */
const WRITERS = 4;
const CATCH_UP_MILLIS_MAX = 120_000;
const CALL_MILLIS = 5_000;
const POLL_MILLIS = 20;
/** So near, it follows. */
const LAG_MAX = 200;
const MEGABYTE = 1024 * 1024;

/** A follower that was away for 100 k entries: how fast it is back, and who pays for it. */
export async function catchUpFigures(lab: Lab, options: BenchOptions): Promise<readonly Figure[]> {
  const cluster = await startNl(lab, "catch-up", options);
  const generator = new LoadGenerator();
  lab.onClose(() => generator.close());
  const write = (inFlight: number, measureMillis: number): Promise<LoadResult> =>
    generator.run({
      target: cluster.target,
      load: { kind: "unary", path: JobsService.submitJob.path, inFlight },
      distinct: false,
      warmUpMillis: 0,
      measureMillis,
    });
  const away = cluster.processes.find((process) => process !== cluster.leader) as Started;
  await lab.stop([away]);
  const missing = await lastIndexOf(cluster);
  while ((await lastIndexOf(cluster)) < missing + ENTRIES) await write(FILLERS, FILL_MILLIS);
  const before = await write(WRITERS, options.seconds * 1000);

  const at = cluster.processes.indexOf(away);
  const back = startNode(lab, "catch-up", { ...options, at });
  const watching = watch(lab, { cluster, back, at });
  const meanwhile = await write(WRITERS, options.seconds * 1000);
  const caughtUp = await watching;
  await generator.close();
  await lab.stop([...cluster.processes.filter((process) => process !== away), back]);
  return figuresOf({ before, meanwhile, caughtUp });
}

type CaughtUp = { readonly entries: number; readonly millis: number; readonly way: string };

async function watch(
  lab: Lab,
  follower: { readonly cluster: RunningCluster; readonly back: Started; readonly at: number },
): Promise<CaughtUp> {
  const client = openClient(follower.cluster.target);
  const nodeId = `n${follower.at + 1}`;
  const limit = { processes: [follower.back], millis: CATCH_UP_MILLIS_MAX };
  const look = () => peerOf(client, nodeId);
  // From the first answer of the follower: what its process needs to start is another figure.
  const first = await until(lab, limit, async () => {
    const peer = await look();
    return peer?.active && peer.matchIndex > 0 ? peer : null;
  });
  const from = performance.now();
  const ways = new Set([first.progress]);
  for (;;) {
    const peer = await look();
    if (peer !== null) ways.add(peer.progress);
    if (peer?.progress === "replicate" && peer.lag <= LAG_MAX) {
      client.close();
      const way = ways.has("snapshot") ? "by a snapshot" : "from the log";
      const entries = peer.matchIndex - first.matchIndex;
      return { entries, millis: performance.now() - from, way };
    }
    if (performance.now() - from > CATCH_UP_MILLIS_MAX) throw new Error("it never caught up");
    await Bun.sleep(POLL_MILLIS);
  }
}

async function peerOf(client: Client, nodeId: string): Promise<PeerStatus | null> {
  const { path, requestSerialize, responseDeserialize } = ClusterService.getStatus;
  const options = { request: requestSerialize({}), deadlineMillis: CALL_MILLIS };
  const status = responseDeserialize(await call(client, path, options));
  return status.peers.find((peer) => peer.nodeId === nodeId) ?? null;
}

async function lastIndexOf({ target }: RunningCluster): Promise<number> {
  const status = await statusOf(target);
  if (status === null) throw new Error("the leader does not answer");
  return status.lastIndex;
}

function figuresOf(measured: {
  readonly before: LoadResult;
  readonly meanwhile: LoadResult;
  readonly caughtUp: CaughtUp;
}): readonly Figure[] {
  const { before, meanwhile, caughtUp } = measured;
  const bytes = caughtUp.entries * createPayload({ distinct: false }).bytes;
  const perSecond = bytes / MEGABYTE / (caughtUp.millis / 1000);
  const entries = caughtUp.entries.toLocaleString("en");
  const failed = before.failed + meanwhile.failed;
  return [
    {
      name: "catching up of a follower",
      value: `${perSecond.toFixed(1)} MB/s`,
      note: `${entries} entries in ${millis(caughtUp.millis)} ms, ${caughtUp.way}`,
    },
    {
      name: `p99 of ${WRITERS} writers meanwhile`,
      value: ratio(meanwhile.p99Millis / before.p99Millis),
      note:
        `${millis(before.p99Millis)} ms before, ${millis(meanwhile.p99Millis)} ms meanwhile` +
        (failed === 0 ? ", none failed" : `; ${failed} FAILED`),
    },
  ];
}
