import { createExecutor, type Executor } from "../../../engine/executor/executor.ts";
import { EXECUTOR_DEFAULTS } from "../../../engine/executor/settings.ts";
import { createLeaderDuties, type LeaderDuties } from "../../../engine/leader/leader-duties.ts";
import { LEADER_DEFAULTS } from "../../../engine/leader/settings.ts";
import type { NodeId, PeerId } from "../../../engine/lib/ids.ts";
import type { Clock } from "../../../engine/platform/clock.ts";
import type { ControlLink } from "../../../engine/platform/control-link.ts";
import type { LogStore } from "../../../engine/platform/log-store.ts";
import type { Logger } from "../../../engine/platform/logger.ts";
import type { Random } from "../../../engine/platform/random.ts";
import type { TaskHost } from "../../../engine/platform/task-host.ts";
import type { Timers } from "../../../engine/platform/timers.ts";
import type { Transport } from "../../../engine/platform/transport.ts";
import type { Status } from "../../../engine/raft/types.ts";
import { createReplica } from "../../../engine/replica/create-replica.ts";
import type { Replica, SnapshotPolicy } from "../../../engine/replica/replica.ts";
import type { FakeSnapshotNetwork } from "../../../engine/replica/testing/fake-snapshot-network.ts";
import type { ClusterView } from "../../../engine/state/cluster-state.ts";
import type { Fact } from "../../../engine/state/fact.ts";
import { specOf } from "../../../engine/state/spec-of.ts";
import { MemorySnapshots, type SnapshotMemory } from "../../../engine/storage/memory-snapshots.ts";
import type { Driver } from "../cluster.ts";
import { CLUSTER_ID, httpAddressOf, rpcAddressOf, storeIdOf } from "../founding.ts";

export const ELECTION_TICKS = 10;

export type SimNodeOptions = {
  readonly nodeId: NodeId;
  readonly peerId: PeerId;
  readonly tickMillis: number;
  /** Of the nl that this life runs. */
  readonly featureLevel: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly logStore: LogStore;
  readonly snapshots: SnapshotMemory;
  readonly transport: Transport;
  readonly snapshotNetwork: FakeSnapshotNetwork;
  readonly snapshotPolicy: SnapshotPolicy;
  readonly taskHost: TaskHost;
  readonly controlLink: ControlLink;
  readonly onFacts: (facts: readonly Fact[], view: ClusterView) => void;
  readonly onRestored: (view: ClusterView) => void;
  /** Its disk has failed: the process is about to exit. */
  readonly onHalted: () => void;
};

/** One life of a node: the same parts as in production, on the simulator's ports. */
export class SimNode implements Driver {
  readonly replica: Replica;
  readonly duties: LeaderDuties;
  #isStarted = false;
  /** The replica does everything in turns of its own: between them, Raft stays as it is. */
  #hasTurned = false;

  constructor(options: SimNodeOptions) {
    const { nodeId, peerId, clock, timers, random, logger, logStore, transport } = options;
    const snapshots = new MemorySnapshots(timers, options.snapshots);
    const snapshotLink = options.snapshotNetwork.open(peerId, timers, snapshots);
    this.replica = createReplica({
      nodeId,
      peerId,
      clusterId: CLUSTER_ID,
      tickMillis: options.tickMillis,
      electionTicks: ELECTION_TICKS,
      heartbeatTicks: 1,
      maxWaitingProposals: 256,
      commitWaitMillis: 1_000,
      snapshots: options.snapshotPolicy,
      platform: {
        ...{ clock, random, logStore, snapshots, snapshotLink, transport, logger },
        timers: this.#noticing(timers),
      },
    });
    this.replica.listen({
      onFacts: options.onFacts,
      onRestored: options.onRestored,
      onStopped: options.onHalted,
    });
    this.duties = createLeaderDuties({
      nodeId,
      replica: this.replica,
      ...{ clock, timers, random, logger },
      settings: { ...tenth(LEADER_DEFAULTS), reportBatchMillis: 5 },
      isDiskLow: () => false,
    });
    this.replica.start((started) => {
      if (!started.ok) throw new Error(started.error.detail);
      this.#isStarted = true;
      executorOf(options, this.replica).start();
    });
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  news(): Status | null {
    if (!this.#isStarted || !this.#hasTurned) return null;
    this.#hasTurned = false;
    return this.replica.status().raft;
  }

  #noticing(timers: Timers): Timers {
    const noticed = (callback: () => void) => (): void => {
      this.#hasTurned = true;
      callback();
    };
    return {
      after: (millis, callback) => timers.after(millis, noticed(callback)),
      soon: (callback) => timers.soon(noticed(callback)),
    };
  }
}

function executorOf(options: SimNodeOptions, replica: Replica): Executor {
  const { nodeId, peerId, clock, timers, random, logger, taskHost, controlLink } = options;
  return createExecutor({
    nodeId,
    clusterId: CLUSTER_ID,
    registration: {
      peerId,
      storeId: storeIdOf(nodeId),
      roles: ["server", "worker"],
      rpcAddress: rpcAddressOf(nodeId),
      httpAddress: httpAddressOf(nodeId),
      cpuMillis: 4_000,
      memoryBytes: 8 * 2 ** 30,
      slots: 6,
      labels: {},
      featureLevel: options.featureLevel,
      version: "sim",
    },
    feed: {
      get view() {
        return replica.view;
      },
      subscribe: (listener) => replica.listen(listener),
    },
    specOf,
    ...{ taskHost, controlLink, clock, timers, random, logger },
    stats: () => ({ memoryUsedBytes: 0, cpuUsedMillis: 0 }),
    settings: { ...tenth(EXECUTOR_DEFAULTS), ...LESS_OFTEN, finishedKept: 10 },
  });
}

/** Still three heartbeats within a lease, and fewer that show nothing new. */
const LESS_OFTEN = { heartbeatMillis: 400, lookMillis: 400 };

/** Lease, lost and all other times at a tenth (issue 3), so that ten seconds hold a whole story. */
function tenth<S extends Readonly<Record<string, number>>>(settings: S): S {
  const scaled = Object.entries(settings).map(([key, millis]) => [key, millis / 10]);
  return Object.fromEntries(scaled) as S;
}
