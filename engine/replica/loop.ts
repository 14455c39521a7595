import { unreachable } from "../lib/assert.ts";
import { NOBODY, type PeerId, type Term, type UnixMillis } from "../lib/ids.ts";
import { err } from "../lib/result.ts";
import { SteadyTime } from "../lib/steady-time.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { TransportEvent } from "../platform/transport.ts";
import { createRaft } from "../raft/raft.ts";
import type {
  ConfState,
  Effects,
  Input,
  PersistJob,
  Raft,
  RoleChange,
  SnapshotMeta,
} from "../raft/types.ts";
import type { ClusterState } from "../state/create-state.ts";
import type { Fact } from "../state/fact.ts";
import type { Booted } from "./boot.ts";
import { Gathering } from "./gathering.ts";
import { Hurry } from "./hurry.ts";
import { Latencies } from "./latencies.ts";
import type { Listeners } from "./listeners.ts";
import { Membership } from "./membership.ts";
import { PeerTable } from "./peer-table.ts";
import { Proposals } from "./proposals.ts";
import { proposeBatch } from "./propose-batch.ts";
import { Reads } from "./reads.ts";
import type { ReplicaOptions } from "./replica.ts";
import { Snapshots } from "./snapshots.ts";
import { type AppliedBatch, ApplyBudget, StateMachine } from "./state-machine.ts";
import { Ticker } from "./ticker.ts";
import { Transfers } from "./transfers.ts";
import { Waiters } from "./waiters.ts";

type LinkEvent = Exclude<TransportEvent, { kind: "message" }>;

type InboxItem =
  | Extract<Input, { kind: "message" | "persisted" | "fetched" | "transfer" }>
  | { readonly kind: "link"; readonly event: LinkEvent }
  | { readonly kind: "snapshots"; readonly work: () => void }
  | { readonly kind: "write-failed"; readonly error: StorageError };

/** Messages of one turn; more are dropped, as a network may: Raft repairs it. */
const MESSAGES_PER_TURN_MAX = 8_192;

/**
 * The consensus loop of a node that has booted. Ports only enqueue; one turn steps everything that
 * arrived, then persists and sends in parallel, applies, and answers.
 */
export class Loop {
  readonly raft: Raft;
  readonly machine: StateMachine;
  readonly proposals: Proposals;
  readonly reads: Reads;
  readonly transfers = new Transfers();
  readonly waiters = new Waiters();
  readonly latencies = new Latencies();
  readonly membership: Membership;
  role: RoleChange;
  /** A sentence once this node no longer applies or no longer takes part; empty before. */
  stopped = "";

  readonly #options: ReplicaOptions;
  readonly #listeners: Listeners;
  readonly #gathering = new Gathering();
  readonly #hurry: Hurry;
  readonly #peers: PeerTable;
  readonly snapshots: Snapshots;
  readonly #time: SteadyTime;
  readonly #ticker: Ticker;
  #inbox: InboxItem[] = [];
  #messageCount = 0;
  #answers: (() => void)[] = [];
  #isScheduled = false;
  #isHalted = false;
  #announcedTerm: Term = 0 as Term;

  constructor(options: ReplicaOptions, booted: Booted, listeners: Listeners) {
    const { random, clock, transport, snapshotLink } = options.platform;
    this.#options = options;
    this.#listeners = listeners;
    const create = options.createRaft ?? createRaft;
    this.raft = create(
      {
        id: options.peerId,
        electionTicks: options.electionTicks,
        heartbeatTicks: options.heartbeatTicks,
        rng: random,
        campaigns: options.campaigns ?? true,
        ...(options.trace === undefined ? {} : { trace: options.trace }),
      },
      booted.boot,
    );
    this.machine = new StateMachine(booted.state, booted.snapshot, clock);
    this.proposals = new Proposals(options.maxWaitingProposals);
    this.membership = new Membership(options.peerId);
    this.reads = new Reads(random.below(2 ** 32));
    const { role, term, leader } = this.raft.status();
    this.role = { role, term, leader };
    this.#time = new SteadyTime(booted.state.appliedAt, clock.monotonicMillis());
    this.#peers = new PeerTable({ transport, snapshotLink }, options.peerId);
    this.snapshots = new Snapshots({
      options,
      raft: this.raft,
      machine: this.machine,
      current: booted.snapshot,
      hooks: {
        enqueue: (work) => this.#enqueue({ kind: "snapshots", work }),
        onLoaded: (state, snapshot) => this.#swapState(state, snapshot),
        onRefused: (sentence) => this.#stopApplying(sentence),
        onFailed: (error) => this.#onStorageError(error),
      },
    });
    this.#hurry = new Hurry(options, this.raft, () => this.wake());
    const onDue = (lateMillis: number): void => {
      this.latencies.loopLag.record(lateMillis, this.nowMillis());
      this.wake();
    };
    const { timers } = options.platform;
    this.#ticker = new Ticker({ tickMillis: options.tickMillis, timers, clock, onDue });
  }

  get isHalted(): boolean {
    return this.#isHalted;
  }

  start(): void {
    const { transport } = this.#options.platform;
    this.#updatePeers();
    transport.start((event) => this.#onTransport(event));
    this.snapshots.start();
    this.#hurry.atStart(this.role);
    this.wake();
  }

  /** Nothing enters or leaves any more. Who still waits is told what is known. */
  halt(): void {
    if (this.#isHalted) return;
    this.#isHalted = true;
    this.#ticker.stop();
    this.#hurry.stop();
    this.#inbox = [];
    this.#options.platform.transport.stop();
    this.snapshots.stop();
    for (const { done } of this.proposals.drain()) done(err({ kind: "stopped" }));
    // Who waits for room must not wait for ever: the next proposal tells it.
    this.proposals.markCoreFull(false);
    this.proposals.announceRoom();
    this.waiters.abandon();
    this.reads.abandon();
    this.transfers.abandon();
    this.membership.abandon();
    this.wake();
  }

  /** Runs a turn soon. */
  wake(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#options.platform.timers.soon(() => this.#turn());
  }

  /** Answers on the next turn: never inside the call that asked. */
  answerSoon(answer: () => void): void {
    this.#answers.push(answer);
    this.wake();
  }

  requestTransfer(to: PeerId): void {
    this.#enqueue({ kind: "transfer", to });
  }

  nowMillis(): number {
    return this.#options.platform.clock.monotonicMillis();
  }

  #enqueue(item: InboxItem): void {
    if (this.#isHalted) return;
    this.#inbox.push(item);
    this.wake();
  }

  #onTransport(event: TransportEvent): void {
    if (event.kind !== "message") {
      this.#enqueue({ kind: "link", event });
      return;
    }
    if (this.#messageCount >= MESSAGES_PER_TURN_MAX) return;
    this.#messageCount += 1;
    this.#enqueue(event);
  }

  #turn(): void {
    this.#isScheduled = false;
    this.#deliverAnswers();
    if (this.#isHalted) return;
    const ticks = this.#ticker.take();
    for (let left = ticks.quiet; left > 0; left--) this.raft.tick();
    this.#takeInbox();
    if (ticks.isDue) this.#tick();
    this.#hurry.onTurn();
    this.#drainProposals();
    if (this.membership.isAsked) this.membership.proposeAll(this.raft);
    this.#askReads(ticks.isDue);
    this.#pump();
    if (this.#isHalted) return;
    this.snapshots.onTurn();
    this.reads.onApplied(this.machine.appliedIndex);
    this.#announceLeading();
    this.proposals.announceRoom();
    if (this.machine.waitingCount > 0 && this.stopped === "") this.wake();
    this.#ticker.sleep(this.#isWaitedFor() ? 0 : this.raft.quietTicks());
  }

  /** Somebody's patience is measured in ticks. */
  #isWaitedFor(): boolean {
    return this.waiters.size > 0 || this.reads.isUrgent || this.transfers.size > 0;
  }

  #deliverAnswers(): void {
    const answers = this.#answers;
    this.#answers = [];
    for (const answer of answers) answer();
  }

  #takeInbox(): void {
    const inbox = this.#inbox;
    this.#inbox = [];
    this.#messageCount = 0;
    for (const item of inbox) {
      this.#takeOne(item);
      if (this.#isHalted) return;
    }
  }

  #takeOne(item: InboxItem): void {
    switch (item.kind) {
      case "message":
        this.latencies.onReceived(item.message, this.nowMillis());
        this.raft.step(item.message);
        break;
      case "persisted":
        this.raft.persisted(item.seq);
        break;
      case "fetched":
      case "transfer":
        this.raft.input(item);
        break;
      case "link":
        this.#onLink(item.event);
        break;
      case "snapshots":
        item.work();
        break;
      case "write-failed":
        this.#onStorageError(item.error);
        break;
      default:
        unreachable(item);
    }
  }

  #onLink(event: LinkEvent): void {
    if (event.kind === "removed-by") {
      this.#onRemoved(event.peer, event.detail);
      return;
    }
    this.#hurry.onLink(event, this.role);
    // What was on its way to it is lost: look where its log ends before sending more.
    if (event.kind === "peer-closed") {
      this.latencies.onClosed(event.peer);
      this.raft.input({ kind: "unreachable", peer: event.peer });
    }
  }

  /** A member knows this from the log, so it holds for good: this node must disturb nobody (P16). */
  #onRemoved(by: PeerId, detail: string): void {
    const member = [...this.machine.state.nodes.values()].find(({ peerId }) => peerId === by);
    const reason =
      `${member?.id ?? `peer ${by}`} refuses this node (${detail}): it comes back as a new one ` +
      "only, with a token of nl cluster join and an empty directory";
    this.#leaveForGood(reason, null);
  }

  #tick(): void {
    this.raft.tick();
    const now = this.nowMillis();
    this.waiters.expire(now);
    this.transfers.expire(now);
    this.membership.expire(now);
    this.#confirmMembers();
    this.reads.onTick(now, this.#options.electionTicks * this.#options.tickMillis);
  }

  #drainProposals(): void {
    if (this.proposals.size === 0) return;
    const now = this.nowMillis();
    if (this.#gathering.isUnderWay(this.raft.commit, now)) return;
    const proposals = this.proposals.drain();
    if (this.stopped !== "") {
      for (const { done } of proposals) done(err({ kind: "stopped" }));
      return;
    }
    const { role, leader } = this.role;
    if (role !== "leader") {
      for (const { done } of proposals) done(err({ kind: "not-leader", leader }));
      return;
    }
    const hasRoom = proposeBatch({
      raft: this.raft,
      proposals,
      waiters: this.waiters,
      featureLevel: this.machine.state.featureLevel,
      at: this.#stamp(),
      expiresAtMillis: now + this.#options.commitWaitMillis,
    });
    this.#gathering.noteProposed(this.raft.lastIndex, now);
    this.proposals.markCoreFull(!hasRoom);
  }

  /**
   * The leader's clock, never below what it stamped or applied before, and never standing still: a
   * wall clock that is set back must not stop the time that retries wait for (SEMANTICS S16).
   */
  #stamp(): UnixMillis {
    const now = this.#options.platform.clock.now();
    return this.#time.at(Math.max(now, this.machine.state.appliedAt), this.nowMillis());
  }

  #askReads(isTick: boolean): void {
    const ctx = this.reads.beginRound(this.nowMillis(), isTick);
    if (ctx !== null) this.raft.read(ctx);
  }

  #pump(): void {
    const budget = new ApplyBudget(this.#options.platform.clock);
    for (;;) {
      for (let due = this.raft.take(); due !== null; due = this.raft.take()) {
        this.#perform(due);
        if (this.#isHalted) return;
      }
      if (!this.#applySome(budget)) return;
    }
  }

  #perform(effects: Effects): void {
    const { transport, logStore } = this.#options.platform;
    for (const message of effects.messages) {
      this.latencies.onSent(message, this.nowMillis());
      transport.send(message);
    }
    if (effects.persist !== null) this.#persist(effects.persist);
    if (effects.role !== null) this.#onRole(effects.role);
    for (const { index, term } of effects.dropped) {
      this.waiters.drop(index, term);
      this.membership.drop(index, term);
    }
    for (const { ctx, index } of effects.reads) this.reads.onAnswer(ctx, index);
    for (const wanted of effects.fetch) this.#readEntries(wanted);
    if (effects.transfer !== null) {
      this.transfers.settle(effects.transfer.to, effects.transfer.outcome, this.role.term);
    }
    for (const shipment of effects.sendSnapshots) this.snapshots.ship(shipment);
    if (effects.truncateLogBefore > 0) logStore.truncateBefore(effects.truncateLogBefore);
    if (effects.restore !== null) this.#restore(effects.restore);
    this.machine.enqueue(effects.apply);
    if (effects.conf !== null) this.#onConf(effects.conf);
  }

  #onConf(conf: ConfState): void {
    this.membership.onConf(conf, this.raft.status().commit);
    this.#confirmMembers();
    this.#listeners.conf(conf);
  }

  /** The entry that makes a change of the members final (contract 18). */
  #confirmMembers(): void {
    if (!this.membership.needsEntry || this.role.role !== "leader") return;
    const { voters, learners } = this.raft.status().conf;
    const principal = `node/${this.#options.nodeId}`;
    const done = this.membership.beginConfirming();
    const body = { kind: "note-members", voters, learners } as const;
    if (this.proposals.add({ principal, body, done })) this.wake();
    else done(err({ kind: "overloaded" }));
  }

  #persist(job: PersistJob): void {
    const { seq } = job;
    const from = this.nowMillis();
    if (job.snapshot !== null) this.snapshots.noteInstalling(job.snapshot);
    this.#options.platform.logStore.write(job, (written) => {
      const now = this.nowMillis();
      if (job.fsync) this.latencies.logWrite.record(now - from, now);
      if (written.ok) this.#enqueue({ kind: "persisted", seq });
      else this.#enqueue({ kind: "write-failed", error: written.error });
    });
  }

  /** Nothing is applied any more before the swap: the core hands out nothing until then. */
  #restore(snapshot: SnapshotMeta): void {
    this.machine.dropWaiting();
    this.snapshots.restore(snapshot);
  }

  /** All at once, at the end of loading: nobody ever sees a part of it. */
  #swapState(state: ClusterState, snapshot: SnapshotMeta): void {
    this.machine.restore(state, snapshot);
    this.raft.applied(snapshot.index);
    this.#updatePeers();
    this.waiters.overtake(snapshot.index);
    this.#listeners.restored(state);
  }

  #readEntries(wanted: Effects["fetch"][number]): void {
    const { id, lo, hi, maxBytes } = wanted;
    this.#options.platform.logStore.entries(lo, hi, maxBytes, (read) => {
      if (read.ok) this.#enqueue({ kind: "fetched", id, result: read.value });
      else this.#enqueue({ kind: "write-failed", error: read.error });
    });
  }

  #onStorageError(error: StorageError): void {
    const reason = `the log store failed (${error.kind}): ${error.detail}`;
    this.raft.input({ kind: "storage-failed", reason });
    this.#leaveForGood(reason, error);
  }

  #leaveForGood(reason: string, error: StorageError | null): void {
    this.role = { ...this.role, role: "halted", leader: NOBODY };
    this.stopped = reason;
    this.halt();
    this.#listeners.role(this.role);
    this.#listeners.stopped(reason, error);
  }

  #onRole(role: RoleChange): void {
    this.role = role;
    // The limit is the leader's: whoever waits for room here must learn that this node is none.
    if (role.role !== "leader") this.proposals.markCoreFull(false);
    this.#gathering.stop();
    this.#hurry.onRole(role);
    this.#listeners.role(role);
  }

  /** True when something was applied, so that the core may have more to hand out. */
  #applySome(budget: ApplyBudget): boolean {
    if (this.stopped !== "" || this.machine.waitingCount === 0) return false;
    const from = this.nowMillis();
    const batch = this.machine.applySome(budget);
    const now = this.nowMillis();
    this.latencies.apply.record(now - from, now);
    if (batch.stopped !== "") this.#stopApplying(batch.stopped);
    const last = batch.applied.at(-1);
    if (last === undefined) return false;
    this.raft.applied(last.index);
    this.snapshots.noteApplied(batch);
    this.proposals.markCoreFull(false);
    this.#answer(batch);
    return true;
  }

  #answer(batch: AppliedBatch): void {
    if (batch.facts.some(changesPeers)) this.#updatePeers();
    this.#listeners.facts(batch.facts, this.machine.state);
    if (this.waiters.size === 0) return;
    const now = this.nowMillis();
    for (const applied of batch.applied) {
      const waiter = this.waiters.settle(applied);
      if (waiter === null) continue;
      const proposedAt = waiter.expiresAtMillis - this.#options.commitWaitMillis;
      this.latencies.commit.record(now - proposedAt, now);
    }
  }

  /** An entry that this version cannot apply is never skipped: this node waits to be upgraded. */
  #stopApplying(reason: string): void {
    if (this.stopped !== "") return;
    this.stopped = reason;
    this.#listeners.stopped(reason, null);
  }

  #announceLeading(): void {
    const { role, term } = this.role;
    if (role !== "leader" || this.#announcedTerm === term) return;
    if (this.machine.appliedTerm !== term) return;
    this.#announcedTerm = term;
    this.#listeners.leading(term);
  }

  #updatePeers(): void {
    this.#peers.update(this.machine.state);
  }
}

const changesPeers = ({ kind }: Fact): boolean =>
  kind === "node-changed" || kind === "node-removed";
