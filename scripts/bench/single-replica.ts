import { join } from "node:path";
import { bunClock, bunRandom, bunTimers } from "../../engine/bun-platform.ts";
import { mintJobId, type NodeId, type PeerId, type UnixMillis } from "../../engine/lib/ids.ts";
import { SPEC_DEFAULTS } from "../../engine/lib/job-spec.ts";
import { newNodes } from "../../engine/new-cluster.ts";
import type { LogValue } from "../../engine/platform/logger.ts";
import { createReplica } from "../../engine/replica/create-replica.ts";
import type { Replica, ReplicaOptions } from "../../engine/replica/replica.ts";
import type { CommandBody } from "../../engine/state/command.ts";
import { encodeSpec } from "../../engine/state/spec-codec.ts";
import { initDataDirectory } from "../../engine/storage/data-directory.ts";
import { SnapshotFiles } from "../../engine/storage/snapshot-files.ts";
import { WorkerLogStore } from "../../engine/storage/worker-log-store.ts";

/** One replica without peers or an API, on the real log store and snapshot files, in this process. */

const CLUSTER_ID = "bench";
const NODE_ID = "n1" as NodeId;
const PEER_ID = 1 as PeerId;

/** Submits one entry of jobs. */
export function propose(
  replica: Replica,
  jobs: Extract<CommandBody, { kind: "submit-jobs" }>["jobs"],
): Promise<void> {
  const body: CommandBody = { kind: "submit-jobs", jobs };
  return new Promise((resolve, reject) => {
    replica.propose({ principal: "user/bench:admin", body }, (answer) => {
      if (answer.ok) resolve();
      else reject(new Error(answer.error.kind));
    });
  });
}

const random = bunRandom();
export const mintId = () => mintJobId((n) => Math.floor((random.below(2 ** 30) / 2 ** 30) * n));

/** Every name another spec. */
export const specOf = (name: string): Uint8Array =>
  encodeSpec({
    ...SPEC_DEFAULTS,
    name: "bench",
    command: ["sh", "-ec", `echo ${name}`],
    image: "",
    env: {},
    labels: {},
  });

export function found(directory: string): void {
  const members = [
    { nodeId: NODE_ID, peerId: PEER_ID, storeId: "bench-store", rpcAddress: "", httpAddress: "" },
  ];
  const at = Date.now() as UnixMillis;
  const [node] = newNodes({ clusterId: CLUSTER_ID, clusterName: "bench", at, members });
  const made = node && initDataDirectory({ ...node, directory });
  if (!made?.ok) throw new Error(made?.error.detail ?? "no node");
}

/** `said` collects what the replica logs, by its message. */
export function open(
  directory: string,
  policy: NonNullable<ReplicaOptions["snapshots"]>,
  said = new Map<string, Readonly<Record<string, LogValue>>>(),
): Replica {
  const nobody = { start: () => {}, setPeers: () => {}, send: () => {}, stop: () => {} };
  return createReplica({
    nodeId: NODE_ID,
    peerId: PEER_ID,
    clusterId: CLUSTER_ID,
    tickMillis: 100,
    electionTicks: 10,
    heartbeatTicks: 2,
    maxWaitingProposals: 256,
    commitWaitMillis: 60_000,
    snapshots: policy,
    platform: {
      clock: bunClock(),
      timers: bunTimers(),
      random,
      logStore: new WorkerLogStore({ directory, expected: null }),
      snapshots: new SnapshotFiles(join(directory, "snapshots")),
      snapshotLink: nobody,
      transport: nobody,
      logger: { log: (_level, message, fields = {}) => said.set(message, fields) },
    },
  });
}

export async function start(replica: Replica, limitMillis = 60_000): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    replica.start((started) => {
      if (started.ok) resolve();
      else reject(new Error(started.error.detail));
    });
  });
  await until(() => replica.status().ready && replica.status().role === "leader", limitMillis);
}

export async function until(isReached: () => boolean, limitMillis: number): Promise<void> {
  const deadline = performance.now() + limitMillis;
  while (!isReached()) {
    if (performance.now() > deadline) throw new Error("the bench waits for ever");
    await Bun.sleep(5);
  }
}
