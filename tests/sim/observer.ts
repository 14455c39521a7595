import type { Index, NodeId, PeerId } from "../../engine/lib/ids.ts";
import type { Message, SnapshotMeta, Status } from "../../engine/raft/types.ts";
import type { Attempt, ClusterView, NodeRecord } from "../../engine/state/cluster-state.ts";
import type { Fact } from "../../engine/state/fact.ts";
import {
  type Acked,
  broadcast,
  type Checker,
  isNewLeader,
  type Member,
  type Membership,
  type TaskEvent,
} from "./checker.ts";
import { noCoverage } from "./coverage.ts";
import { describeConf, describeMessage } from "./describe-message.ts";
import type { Fault } from "./fault.ts";
import { type DiskProfile, SimDisk } from "./world/disk.ts";
import type { DiskBacking } from "./world/disk-backing.ts";
import { FOUNDING_CHAIN, type SnapshotChains } from "./world/log-image.ts";
import { mixInto, SimRandom } from "./world/sim-random.ts";
import type { VirtualTime } from "./world/virtual-time.ts";

type Watched = { -readonly [K in keyof Member]: Member[K] };

/**
 * Sees everything Raft does at the ports of every node, tells the checkers, and folds it into the
 * hash that says whether two runs were the same.
 */
export class Observer {
  readonly members: Membership;
  readonly coverage = noCoverage();
  readonly strikes: { readonly n: number; readonly fault: Fault }[] = [];
  readonly #watched: Watched[] = [];
  readonly #seed: number;
  readonly #disk: DiskProfile;
  readonly #backingOf: (peer: PeerId) => DiskBacking | null;
  readonly #chains: SnapshotChains;
  readonly #time: VirtualTime;
  readonly #trace: ((line: string) => void) | null;
  #hash = 0;
  #ackedIndex = 0 as Index;
  #factsSeenTo = 0 as Index;
  #call: Calls = callsOf([]);

  constructor(options: {
    readonly seed: number;
    readonly time: VirtualTime;
    readonly nodeCount: number;
    readonly disk: DiskProfile;
    readonly founding: SnapshotMeta;
    readonly backingOf?: (peer: PeerId) => DiskBacking | null;
    readonly trace: ((line: string) => void) | null;
  }) {
    this.#time = options.time;
    this.#trace = options.trace;
    this.#seed = options.seed;
    this.#disk = options.disk;
    this.#backingOf = options.backingOf ?? (() => null);
    this.#chains = new Map([[options.founding.id, FOUNDING_CHAIN]]);
    this.members = this.#watched;
    for (let i = 0; i < options.nodeCount; i++) this.enlist(options.founding);
  }

  /** One more node: a founder, or with null one that has an empty disk. */
  enlist(founding: SnapshotMeta | null): Member {
    const peerId = (this.#watched.length + 1) as PeerId;
    const member: Watched = {
      peerId,
      nodeId: `n${peerId}` as NodeId,
      disk: this.#newDisk(peerId, 1, founding),
      store: 1,
      isLost: false,
      life: 0,
      status: null,
    };
    this.#watched.push(member);
    return member;
  }

  /** The machine of a node that is down gets an empty disk; `isLost`: while it was a voter. */
  wiped(peer: PeerId, isLost: boolean): void {
    const member = this.#of(peer);
    member.store += 1;
    member.disk = this.#newDisk(peer, member.store, null);
    member.isLost ||= isLost;
    this.coverage.wiped += 1;
    this.say(() => `${member.nodeId} loses its whole disk`);
  }

  get hash(): number {
    return this.#hash;
  }

  /** The highest index a client was told to be committed. */
  get ackedIndex(): Index {
    return this.#ackedIndex;
  }

  use(checkers: readonly Checker[]): void {
    this.#call = callsOf(checkers);
  }

  booted(peer: PeerId): void {
    const member = this.#of(peer);
    member.life += 1;
    member.status = null;
    this.say(() => `${member.nodeId} starts, life ${member.life}`);
    this.#call.onBoot(member);
  }

  crashed(peer: PeerId, how: string): void {
    const member = this.#of(peer);
    member.status = null;
    this.coverage.crashes += 1;
    const torn = member.disk.tornCount;
    member.disk.crash();
    if (member.disk.tornCount > torn) this.coverage.torn += 1;
    this.say(() => `${member.nodeId} ${how}; its disk keeps ${member.disk.durable.lastIndex}`);
  }

  /** After every event inside a process that runs Raft. */
  turned(peer: PeerId, status: Status): void {
    const member = this.#of(peer);
    const before = member.status;
    member.status = status;
    this.coverage.events += 1;
    this.#fold(peer, status.term, status.commit, status.lastIndex, status.role.length);
    if (isNewLeader(status, before)) this.coverage.elections += 1;
    if (this.#trace !== null) this.#traceChange(member, status, before);
    this.#call.onStatus(member, status, before);
  }

  sent(message: Message): void {
    this.coverage.messages += 1;
    if (message.kind === "append-reply" && message.lost) this.coverage.reopenedSessions += 1;
    this.#fold(message.from, message.to, message.term, message.kind.length, 0);
    if (this.#trace !== null && message.kind !== "heartbeat" && message.kind !== "heartbeat-reply")
      this.say(() => describeMessage(message));
    this.#call.onSend(this.#of(message.from), message);
  }

  /** Entries of the written log, from after `from` up to `to`. */
  applied(peer: PeerId, from: Index, to: Index): void {
    const { written } = this.#of(peer).disk;
    for (let index = from + 1; index <= to; index++) {
      this.appliedOne(peer, index as Index, written.chainAt(index) ?? 0);
    }
  }

  /** `chain`: of the log at `index`, when it was handed out to be applied. */
  appliedOne(peer: PeerId, index: Index, chain: number): void {
    this.#call.onApplied(this.#of(peer), index, chain);
  }

  restored(peer: PeerId, snapshot: SnapshotMeta): void {
    this.coverage.restores += 1;
    this.say(() => `n${peer} restores snapshot ${snapshot.id}`);
    this.#call.onRestored(this.#of(peer), snapshot);
  }

  /** What the state machine of a node is, as a hash. */
  stateHash(peer: PeerId, index: Index, hash: string): void {
    this.#call.onStateHash(this.#of(peer), index, hash);
  }

  acked(index: Index, what: Acked): void {
    this.coverage.acked += 1;
    if (index > this.#ackedIndex) this.#ackedIndex = index;
    this.#call.onAcked(index, what);
  }

  /** A node has applied a batch. What it means is told once, by the first node to get there. */
  facts(peer: PeerId, facts: readonly Fact[], view: ClusterView): void {
    this.stateHash(peer, view.appliedIndex, view.stateHash());
    const seenTo = this.#factsSeenTo;
    if (view.appliedIndex <= seenTo) return;
    this.#factsSeenTo = view.appliedIndex;
    for (const fact of facts) if (fact.index > seenTo) this.#fact(fact, view);
  }

  taskStarted(task: TaskEvent): void {
    this.say(() => `${task.nodeId} runs ${task.attemptId}, fence ${task.fence}`);
    this.#fold(task.fence, 1, 0, 0, 0);
    this.#call.onTaskStarted(task);
  }

  taskEnded(task: TaskEvent): void {
    this.say(() => `${task.nodeId} has ended ${task.attemptId}`);
    this.#fold(task.fence, 2, 0, 0, 0);
    this.#call.onTaskEnded(task);
  }

  read(acked: Index, index: Index): void {
    this.coverage.reads += 1;
    this.#call.onRead(acked, index);
  }

  /** The nemesis strikes, for the n-th time. */
  struck(n: number, fault: Fault): void {
    this.strikes.push({ n, fault });
  }

  /** One line of the readable trace, built only when somebody reads it. */
  say(line: () => string): void {
    this.#trace?.(`${this.#time.now.toFixed(1).padStart(9)} ${line()}`);
  }

  fold(...values: readonly number[]): void {
    for (const value of values) this.#hash = mixInto(this.#hash, value);
  }

  #fact(fact: Fact, view: ClusterView): void {
    switch (fact.kind) {
      case "job-changed":
        this.say(
          () => `job ${fact.jobId} ${fact.state} ${view.jobs.get(fact.jobId)?.reason ?? ""}`,
        );
        if (fact.state === "completed" || fact.state === "failed") this.coverage.finished += 1;
        if (fact.state === "cancelled") this.coverage.cancelled += 1;
        this.#call.onJobState(fact.jobId, fact.state);
        return;
      case "attempt-changed":
        this.say(() => `attempt ${fact.attemptId} on ${fact.nodeId} ${fact.state}`);
        if (fact.state === "assigned") this.#countRerun(view.attempt(fact.attemptId));
        return;
      case "node-changed":
        this.#nodeChanged(view.nodes.get(fact.nodeId));
        return;
      case "node-removed":
        this.say(() => `node ${fact.nodeId} removed`);
        return;
      case "feature-level-raised":
        this.#call.onLevelRaised(
          fact.featureLevel,
          [...view.nodes.values()].map(({ featureLevel }) => featureLevel),
        );
        return;
      case "members-changed":
      case "join-token-changed":
      case "stale-ignored":
        return;
    }
  }

  #countRerun(attempt: Attempt | undefined): void {
    if (attempt?.cause === "node-lost") this.coverage.reruns += 1;
  }

  #nodeChanged(node: NodeRecord | undefined): void {
    if (node === undefined) return;
    const isDraining = node.drain === null ? "" : "draining";
    this.say(() => `node ${node.id} is ${node.liveness} ${isDraining}`);
    if (node.liveness === "lost") this.coverage.lostNodes += 1;
    if (node.drain !== null) this.coverage.drains += 1;
  }

  #of(peer: PeerId): Watched {
    const member = this.#watched[peer - 1];
    if (member === undefined) throw new Error(`no member ${peer}`);
    return member;
  }

  #fold(a: number, b: number, c: number, d: number, e: number): void {
    let hash = mixInto(this.#hash, Math.floor(this.#time.now * 1000));
    hash = mixInto(hash, a * 31 + b);
    hash = mixInto(hash, c * 31 + d);
    this.#hash = mixInto(hash, e);
  }

  #newDisk(peer: PeerId, store: number, founding: SnapshotMeta | null): SimDisk {
    return new SimDisk({
      time: this.#time,
      random: new SimRandom(this.#seed, `disk ${peer} store ${store}`),
      profile: this.#disk,
      founding,
      chains: this.#chains,
      backing: founding === null ? null : this.#backingOf(peer),
      listener: {
        onWrite: (job) => this.#call.onWrite(this.#of(peer), job),
        onDurable: () => this.#call.onDurable(this.#of(peer)),
        count: (what) => {
          this.coverage[what] += 1;
        },
      },
    });
  }

  #traceChange(member: Member, status: Status, before: Status | null): void {
    if (before?.role !== status.role || before.term !== status.term) {
      this.say(() => `${member.nodeId} is ${status.role} of term ${status.term}`);
    }
    if (before?.commit !== status.commit) {
      this.say(() => `${member.nodeId} commit ${status.commit} last ${status.lastIndex}`);
    }
    if (before !== null && before.conf !== status.conf) {
      this.say(() => `${member.nodeId} has the members ${describeConf(status.conf)}`);
    }
  }
}

type Calls = ReturnType<typeof callsOf>;

function callsOf(checkers: readonly Checker[]) {
  return {
    onBoot: broadcast(checkers, "onBoot"),
    onStatus: broadcast(checkers, "onStatus"),
    onWrite: broadcast(checkers, "onWrite"),
    onDurable: broadcast(checkers, "onDurable"),
    onSend: broadcast(checkers, "onSend"),
    onApplied: broadcast(checkers, "onApplied"),
    onRestored: broadcast(checkers, "onRestored"),
    onStateHash: broadcast(checkers, "onStateHash"),
    onJobState: broadcast(checkers, "onJobState"),
    onLevelRaised: broadcast(checkers, "onLevelRaised"),
    onTaskStarted: broadcast(checkers, "onTaskStarted"),
    onTaskEnded: broadcast(checkers, "onTaskEnded"),
    onAcked: broadcast(checkers, "onAcked"),
    onRead: broadcast(checkers, "onRead"),
  };
}
