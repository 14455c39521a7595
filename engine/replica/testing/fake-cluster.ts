import type { NodeId, PeerId, UnixMillis } from "../../lib/ids.ts";
import { err } from "../../lib/result.ts";
import type { Logger } from "../../platform/logger.ts";
import type { SnapshotWriter } from "../../platform/snapshot-store.ts";
import type { Timers } from "../../platform/timers.ts";
import type { Founding } from "../../state/command.ts";
import { MemorySnapshots } from "../../storage/memory-snapshots.ts";
import { createReplica } from "../create-replica.ts";
import type { Replica, ReplicaOptions } from "../replica.ts";
import { FakeLogStore } from "./fake-log-store.ts";
import { FakeNetwork } from "./fake-network.ts";
import { FakeSnapshotNetwork } from "./fake-snapshot-network.ts";
import { FakeWorld } from "./fake-world.ts";
import { FreezableTimers } from "./freezable-timers.ts";

export type FakeNode = {
  readonly nodeId: NodeId;
  readonly peerId: PeerId;
  readonly replica: Replica;
  readonly store: FakeLogStore;
  readonly timers: FreezableTimers;
};

const silent: Logger = { log: () => {} };

/** Replicas `n1` … on virtual time, founded together. */
export class FakeCluster {
  readonly world = new FakeWorld();
  readonly network = new FakeNetwork(this.world);
  readonly nodes: FakeNode[] = [];
  readonly #snapshotNetwork = new FakeSnapshotNetwork({
    chunkBytes: 64,
    delayMillis: () => 1,
    stallMillis: 1_000,
    isReachable: (from, to) => this.network.isReachable(from, to),
  });
  readonly #founding: Founding;
  readonly #optionsOf: (nodeId: NodeId) => Partial<ReplicaOptions>;

  /** The first `voters` of them vote; the others know the cluster, and wait to be added. */
  constructor(
    size: number,
    optionsOf: (nodeId: NodeId) => Partial<ReplicaOptions> = () => ({}),
    voters = size,
  ) {
    this.#founding = foundingOf(size);
    this.#optionsOf = optionsOf;
    for (const { nodeId, peerId } of this.#founding.members) {
      const begin = { founding: this.#founding, voterCount: voters };
      const store = new FakeLogStore(this.world, begin);
      this.nodes.push(this.#create({ nodeId, peerId, store }));
    }
  }

  start(): void {
    for (const { replica } of this.nodes) replica.start(() => {});
    this.world.advance(10);
  }

  /** The node that leads and is ready to serve; throws when there is none within 10 s. */
  leader(): FakeNode {
    let found: FakeNode | undefined;
    this.world.advanceUntil(() => {
      found = this.nodes.find((node) => isReadyLeader(node.replica));
      return found !== undefined;
    });
    if (found === undefined) throw new Error("no leader within 10 s");
    return found;
  }

  /** A node that has joined: it knows its own name and nothing else. */
  join(nodeId: NodeId, peerId: PeerId): FakeNode {
    const node = this.#create({ nodeId, peerId, store: new FakeLogStore(this.world, null) });
    this.nodes.push(node);
    node.replica.start(() => {});
    return node;
  }

  /** A new process on the same disk. `onStarted` is called before it has applied its log. */
  restart(node: FakeNode, onStarted: (next: FakeNode) => void = () => {}): FakeNode {
    const next = this.#create(node);
    this.nodes[this.nodes.indexOf(node)] = next;
    next.replica.start(() => onStarted(next));
    this.world.advance(10);
    return next;
  }

  #create(node: Pick<FakeNode, "nodeId" | "peerId" | "store">): FakeNode {
    const { clock, random } = this.world;
    const timers = new FreezableTimers(this.world.timers);
    const { nodeId, peerId, store } = node;
    const transport = this.network.transportOf(peerId);
    const snapshots = new MemorySnapshots(timers, store.snapshots);
    const create = snapshots.create.bind(snapshots);
    snapshots.create = (id) => (store.isFull ? withoutRoom(timers, create(id)) : create(id));
    const replica = createReplica({
      nodeId,
      peerId,
      clusterId: this.#founding.clusterId,
      tickMillis: 100,
      electionTicks: 10,
      heartbeatTicks: 1,
      maxWaitingProposals: 256,
      commitWaitMillis: 5_000,
      snapshots: { entries: 100_000, logBytes: 2 ** 26, keepEntries: 10_000, recordsPerSlice: 9 },
      platform: {
        clock,
        timers,
        random,
        logStore: store,
        snapshots,
        snapshotLink: this.#snapshotNetwork.open(peerId, timers, snapshots),
        transport,
        logger: silent,
      },
      ...this.#optionsOf(nodeId),
    });
    return { nodeId, peerId, store, timers, replica };
  }
}

function foundingOf(size: number): Founding {
  const members = Array.from({ length: size }, (_, at) => ({
    nodeId: `n${at + 1}` as NodeId,
    peerId: (at + 1) as PeerId,
    storeId: `store-${at + 1}`,
    rpcAddress: `127.0.0.1:${7171 + at}`,
    httpAddress: `127.0.0.1:${7181 + at}`,
  }));
  const at = 1_700_000_000_000 as UnixMillis;
  return { clusterId: "test-cluster", clusterName: "test", at, members };
}

function isReadyLeader(replica: Replica): boolean {
  try {
    const { role, ready } = replica.status();
    return role === "leader" && ready;
  } catch {
    return false;
  }
}

function withoutRoom(timers: Timers, writer: SnapshotWriter): SnapshotWriter {
  const full = err({ kind: "full", detail: "no space left" } as const);
  return {
    append: (bytes, done) => writer.append(bytes, done),
    finish: (done) => {
      timers.soon(() => done(full));
    },
    abandon: () => writer.abandon(),
  };
}
