import { assert } from "../../../engine/lib/assert.ts";
import type { Index, JobId, NodeId, PeerId } from "../../../engine/lib/ids.ts";
import type { Logger } from "../../../engine/platform/logger.ts";
import { FakeSnapshotNetwork } from "../../../engine/replica/testing/fake-snapshot-network.ts";
import type { ClusterView } from "../../../engine/state/cluster-state.ts";
import type { Fact } from "../../../engine/state/fact.ts";
import { FEATURE_LEVEL_FIRST } from "../../../engine/state/feature-level.ts";
import { type Member, must } from "../checker.ts";
import { jobCheckers, raftCheckers } from "../checkers.ts";
import { SimCluster } from "../cluster.ts";
import { foundingBytes, foundingMeta } from "../founding.ts";
import { Nemesis } from "../nemesis.ts";
import { Observer } from "../observer.ts";
import type { Limits, RunReport, Trace, World } from "../run.ts";
import { SimNetwork } from "../world/network.ts";
import type { SimProcess } from "../world/sim-process.ts";
import { SimRandom } from "../world/sim-random.ts";
import { VirtualTime } from "../world/virtual-time.ts";
import { Machine } from "./machine.ts";
import { nodeFaults } from "./node-faults.ts";
import { type NodeProfile, nodeProfile } from "./node-profile.ts";
import { simControlLink } from "./sim-control-link.ts";
import { ELECTION_TICKS, SimNode } from "./sim-node.ts";
import { Workload } from "./workload.ts";

const FAULTY_MILLIS = 8_000;
const CALM_MILLIS_MIN = 2_000;
/** By then every job must be over and every node must know it. */
const CALM_MILLIS_MAX = 25_000;
const STEP_MILLIS = 250;
const RAISE_MILLIS = 700;

/** Whole nodes with real parts, on machines with tasks, under clients and a nemesis. */
export class NodeSimulation implements World {
  readonly #seed: number;
  readonly #time = new VirtualTime();
  readonly #profile: NodeProfile;
  readonly observer: Observer;
  readonly #cluster: SimCluster<SimNode>;
  readonly #machines: readonly Machine[];
  readonly #snapshotNetwork: FakeSnapshotNetwork;
  readonly #workload: Workload;
  readonly #nemesis: Nemesis;
  readonly #calm: () => void;
  readonly #onHalted: (peer: PeerId) => void;
  readonly #faultyMillis: number;
  readonly #applied = new Map<PeerId, Index>();

  constructor(seed: number, trace: Trace, limits: Limits) {
    this.#seed = seed;
    this.#faultyMillis = Math.min(FAULTY_MILLIS, limits.untilMillis ?? FAULTY_MILLIS);
    this.#profile = nodeProfile(new SimRandom(seed, "profile"));
    this.observer = this.#observe(trace);
    this.#machines = this.observer.members.map((member) => this.#machine(member));
    this.#cluster = new SimCluster({
      time: this.#time,
      observer: this.observer,
      network: new SimNetwork({
        time: this.#time,
        random: new SimRandom(seed, "network"),
        profile: this.#profile.network,
        onSend: (message) => this.observer.sent(message),
      }),
      boot: (member, process) => this.#boot(member, process),
    });
    this.#snapshotNetwork = this.#snapshots(new SimRandom(seed, "snapshots"));
    this.#workload = new Workload(this.#cluster, new SimRandom(seed, "workload"));
    const random = new SimRandom(seed, "nemesis");
    const { act, calm, onHalted } = nodeFaults(this.#cluster, this.#machines, random);
    this.#calm = calm;
    this.#onHalted = onHalted;
    this.#nemesis = new Nemesis({
      cluster: this.#cluster,
      random,
      limits,
      menu: this.#profile.theme.menu,
      menuShare: this.#profile.theme.menuShare,
      firstFaultMillis: this.#profile.theme.firstFaultMillis,
      pauseMillisMax: this.#profile.faultPauseMillisMax,
      longOutageChance: 0.35,
      longOutageMillis: [2_900, 4_800],
      // A majority of damaged disks waits for its operator, and rightly so.
      canLose: (victims) => {
        const isFirst = this.observer.coverage.damaged === 0;
        return isFirst && victims.length * 2 < this.#profile.nodeCount;
      },
      act,
    });
  }

  get now(): number {
    return this.#time.now;
  }

  /** Faults, then calm in which every job must end and every node must agree. */
  run(): RunReport {
    for (const peer of this.#cluster.peers) this.#cluster.start(peer);
    const jobs = { ...this.#profile.theme.jobs, count: this.#profile.jobCount };
    this.#workload.start({ jobs, withinMillis: FAULTY_MILLIS - 1_000 });
    this.#nemesis.start();
    if (this.#profile.isUpgraded) this.#raiseLater();
    this.#time.runUntil(this.#faultyMillis);
    this.#nemesis.stop();
    this.#calm();
    this.#workload.stop();
    this.#time.runUntil(this.#faultyMillis + CALM_MILLIS_MIN);
    while (this.#trouble() !== "" && this.#time.now < this.#faultyMillis + CALM_MILLIS_MAX) {
      this.#time.runUntil(this.#time.now + STEP_MILLIS);
    }
    must(this.#trouble() === "", "liveness", () => `after calm ${this.#trouble()}`);
    this.#mustKnowEveryJob();
    const { coverage, hash } = this.observer;
    return { seed: this.#seed, hash, millis: this.#time.now, coverage };
  }

  #observe(trace: Trace): Observer {
    const { nodeCount, disk, tickMillis } = this.#profile;
    const [seed, time, founding] = [this.#seed, this.#time, foundingMeta(nodeCount)];
    const observer = new Observer({ seed, time, nodeCount, disk, founding, trace });
    const now = (): number => this.#time.now;
    const timing = { now, electionTicks: ELECTION_TICKS, tickMillis };
    observer.use([...raftCheckers(observer.members, founding.conf, timing), ...jobCheckers()]);
    return observer;
  }

  /** Beside the Raft stream: slower, in pieces, and cut where the network is cut. */
  #snapshots(random: SimRandom): FakeSnapshotNetwork {
    const { network } = this.#cluster;
    return new FakeSnapshotNetwork({
      chunkBytes: 500,
      delayMillis: () => random.between(1, 30),
      stallMillis: 500,
      isReachable: (from, to) => !network.isCut(from, to),
    });
  }

  #machine({ nodeId }: Member): Machine {
    return new Machine({
      nodeId,
      founding: foundingBytes(this.#profile.nodeCount),
      time: this.#time,
      random: new SimRandom(this.#seed, `machine ${nodeId}`),
      onStarted: (task) => this.observer.taskStarted(task),
      onEnded: (task) => this.observer.taskEnded(task),
    });
  }

  #boot(member: Member, process: SimProcess): SimNode {
    const { nodeId, peerId, life, disk } = member;
    const machine = this.#machines[peerId - 1];
    assert(machine !== undefined, "every node has a machine");
    this.#applied.set(peerId, disk.durable.snapshotIndex);
    return new SimNode({
      nodeId,
      peerId,
      tickMillis: this.#profile.tickMillis,
      featureLevel: this.#levelOf(peerId, life),
      clock: machine.clock,
      timers: process,
      random: new SimRandom(this.#seed, `node ${peerId} life ${life}`),
      logger: this.#logger(nodeId),
      logStore: disk.open(process),
      snapshots: machine.snapshots,
      snapshotNetwork: this.#snapshotNetwork,
      snapshotPolicy: this.#profile.snapshots,
      transport: this.#cluster.network.open(peerId, process),
      taskHost: machine.host.connect(process),
      controlLink: simControlLink(this.#cluster, peerId, process),
      onFacts: (facts, view) => this.#onFacts(peerId, facts, view),
      onRestored: (view) => this.#onRestored(member, view),
      onHalted: () => this.#onHalted(peerId),
    });
  }

  /** In a rolling upgrade whoever starts again says that it is of the next version; n1 never is. */
  #levelOf(peer: PeerId, life: number): number {
    const isNext = this.#profile.isUpgraded && peer > 1 && life > 1;
    return FEATURE_LEVEL_FIRST + (isNext ? 1 : 0);
  }

  /** Somebody who would like the next level, which not everybody understands. */
  #raiseLater(): void {
    this.#time.after(RAISE_MILLIS, () => {
      const body = { kind: "raise-feature-level", featureLevel: FEATURE_LEVEL_FIRST + 1 } as const;
      const leader = this.#cluster.leader();
      if (leader !== null) {
        this.#cluster.within(leader, ({ replica }) => {
          replica.propose({ principal: "user/sim:admin", body }, (applied) => {
            const isRefused = applied.ok && applied.value.outcomes[0]?.kind === "refused";
            if (isRefused) this.observer.coverage.refusedRaises += 1;
          });
        });
      }
      this.#raiseLater();
    });
  }

  #onFacts(peer: PeerId, facts: readonly Fact[], view: ClusterView): void {
    this.observer.applied(peer, this.#applied.get(peer) ?? (0 as Index), view.appliedIndex);
    this.#applied.set(peer, view.appliedIndex);
    this.observer.facts(peer, facts, view);
  }

  #onRestored({ peerId, disk }: Member, view: ClusterView): void {
    const { snapshot } = disk.written;
    this.#applied.set(peerId, view.appliedIndex);
    if (snapshot !== null) this.observer.restored(peerId, snapshot);
    this.observer.stateHash(peerId, view.appliedIndex, view.stateHash());
  }

  #logger(nodeId: NodeId): Logger {
    return {
      log: (level, message, fields) => {
        if (level === "debug") return;
        this.observer.say(() => `${nodeId} ${level}: ${message} ${JSON.stringify(fields ?? {})}`);
      },
    };
  }

  /** Empty when every acknowledged job is over, its tasks are gone, and all nodes agree. */
  #trouble(): string {
    const views = this.#views();
    const first = views[0];
    if (first === undefined || views.length < this.#machines.length) return "a node is down";
    if (this.#workload.unanswered > 0) return `${this.#workload.unanswered} calls have no answer`;
    const open = this.#workload.acked.find((jobId) => !isOver(first, jobId));
    if (open !== undefined) {
      const job = first.jobs.get(open);
      return `${open} is ${job?.state} ${job?.reason}`;
    }
    const running = this.#machines.find(({ host }) => host.runningCount > 0);
    if (running !== undefined) return `${running.nodeId} still runs a task`;
    const behind = views.find((view) => view.stateHash() !== first.stateHash());
    return behind === undefined ? "" : "nodes disagree";
  }

  #mustKnowEveryJob(): void {
    for (const view of this.#views()) {
      for (const jobId of this.#workload.acked) {
        must(view.jobs.has(jobId), "acked jobs are kept", () => `${jobId} is lost`);
      }
    }
  }

  #views(): readonly ClusterView[] {
    return this.#cluster.peers.flatMap((peer) => {
      const node = this.#cluster.driver(peer);
      return node?.isStarted ? [node.replica.view] : [];
    });
  }
}

function isOver(view: ClusterView, jobId: JobId): boolean {
  const state = view.jobs.get(jobId)?.state;
  return state === "completed" || state === "failed" || state === "cancelled";
}
