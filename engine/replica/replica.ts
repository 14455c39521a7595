import type { Index, NodeId, PeerId, Term } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { Clock } from "../platform/clock.ts";
import type { Done } from "../platform/completion.ts";
import type { LogStore, StorageError } from "../platform/log-store.ts";
import type { Logger } from "../platform/logger.ts";
import type { Random } from "../platform/random.ts";
import type { SnapshotLink } from "../platform/snapshot-link.ts";
import type { SnapshotStore } from "../platform/snapshot-store.ts";
import type { Timers } from "../platform/timers.ts";
import type { Transport } from "../platform/transport.ts";
import type {
  Boot,
  ConfOp,
  ConfState,
  Entry,
  Raft,
  RaftConfig,
  Role,
  Status,
  TraceEvent,
  TransferOutcome,
} from "../raft/types.ts";
import type { ClusterView } from "../state/cluster-state.ts";
import type { CommandBody, Outcome } from "../state/command.ts";
import type { Fact } from "../state/fact.ts";
import type { LatencyView } from "./latencies.ts";
import type { HeldSnapshot, HoldFailure } from "./snapshot-holds.ts";

/** What the operations above need to know of Raft. */
export type { ConfOp, ConfState, Entry, TransferOutcome } from "../raft/types.ts";

export type ReplicaOptions = {
  readonly nodeId: NodeId;
  readonly peerId: PeerId;
  readonly clusterId: string;
  readonly tickMillis: number;
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** False: leads only when leadership is handed to it. */
  readonly campaigns?: boolean;
  /** Proposals waiting to enter the log; drained every turn. */
  readonly maxWaitingProposals: number;
  /** After this a proposal is answered `indefinite`: it may still happen. */
  readonly commitWaitMillis: number;
  readonly snapshots: SnapshotPolicy;
  /** How the core comes to be; recorded, for instance. */
  readonly createRaft?: (config: RaftConfig, boot: Boot) => Raft;
  /** Every state transition of the core, for the simulator and replay. */
  readonly trace?: (event: TraceEvent) => void;
  readonly platform: {
    readonly clock: Clock;
    readonly timers: Timers;
    readonly random: Random;
    readonly logStore: LogStore;
    readonly snapshots: SnapshotStore;
    readonly snapshotLink: SnapshotLink;
    readonly transport: Transport;
    readonly logger: Logger;
  };
};

/** When a snapshot is made, and how much of the log stays behind it. */
export type SnapshotPolicy = {
  /** Whichever is reached first since the last one. */
  readonly entries: number;
  readonly logBytes: number;
  /** Kept before the snapshot, so that a member which missed little needs no snapshot. */
  readonly keepEntries: number;
  /** Read of the state at a time, at most; the time is bounded besides. */
  readonly recordsPerSlice: number;
};

export type ProposeFailure =
  | { readonly kind: "not-leader"; readonly leader: PeerId }
  /** Had no effect: the inbox, the uncommitted bytes or the apply lag are at their limit. */
  | { readonly kind: "overloaded" }
  | { readonly kind: "too-large" }
  /** Leadership is being handed over: had no effect, ask the new leader. */
  | { readonly kind: "transferring"; readonly leader: PeerId }
  /** Overwritten by a later leader's entry: had no effect. */
  | { readonly kind: "dropped" }
  /** Unknown: it may still happen. */
  | { readonly kind: "indefinite" }
  | { readonly kind: "stopped" };

/** Why the members stay as they are; `indefinite` and `dropped` as for proposals. */
export type MembershipFailure =
  | Exclude<ProposeFailure, { kind: "too-large" }>
  /** Another change is under way, or this leader has not committed an entry of its own term. */
  | { readonly kind: "conf-pending" }
  /** It cannot follow the present configuration: nobody would be left, or it is joint. */
  | { readonly kind: "conf-invalid" }
  /** Whoever is to vote is too far behind: it would hold up every commit (P18). */
  | { readonly kind: "learner-behind" }
  /** A leader never takes its own vote away: it hands leadership over first. */
  | { readonly kind: "own-seat" };

export type Applied = {
  readonly index: Index;
  readonly term: Term;
  readonly outcomes: readonly Outcome[];
};

export type ReplicaStatus = {
  readonly raft: Status;
  readonly role: Role;
  readonly leader: PeerId;
  /** True once the leader's own no-op is applied here and nothing stops apply. */
  readonly ready: boolean;
  /** A sentence when this node no longer applies (unknown command, storage failure …). */
  readonly stopped: string;
};

export type RoleEvent = { readonly role: Role; readonly term: Term; readonly leader: PeerId };

/** Listeners are called on the replica's own turn, after apply, in index order. */
export type ReplicaListener = {
  /** After every batch of applied entries: also when it left no facts, for who waits for an index. */
  readonly onFacts?: (facts: readonly Fact[], view: ClusterView) => void;
  /**
   * A snapshot has replaced the state: every row may have changed, no facts say which, and views
   * from before are of the past.
   */
  readonly onRestored?: (view: ClusterView) => void;
  readonly onRole?: (event: RoleEvent) => void;
  /** Another configuration of the Raft group is active. */
  readonly onConf?: (conf: ConfState) => void;
  /** The leader's own no-op has been applied: duties may begin (or begin again). */
  readonly onLeading?: (term: Term) => void;
  readonly onStopped?: (reason: string, error: StorageError | null) => void;
};

/**
 * Drives one Raft node: one inbox for messages, ticks, finished writes and proposals; per turn it
 * steps, takes the effects, persists and sends in parallel, applies, answers.
 */
export interface Replica {
  /** Loads the log and the snapshot it begins with, then joins its peers. */
  start(done: (result: Result<void, StorageError>) => void): void;
  /** Closes the store; with `handOver` leadership is given away first (bounded by 1 s). */
  stop(options: { readonly handOver: boolean }, done: () => void): void;

  /** Of now: a snapshot from the leader replaces it. Kept no longer than for one answer. */
  readonly view: ClusterView;
  /** Stamps level, time and principal, proposes, and answers after commit and apply. */
  propose(
    proposal: { readonly principal: string; readonly body: CommandBody },
    done: Done<Applied, ProposeFailure>,
  ): void;
  /** False: a proposal made now would be refused as overloaded. */
  hasRoom(): boolean;
  /** Calls back once when there is room again (for streams, which pause instead of failing). */
  whenRoom(callback: () => void): void;

  /**
   * Linearizable read: done once everything acked before the call is applied here. Who can wait
   * some hundred milliseconds shares the heartbeats that are sent anyway.
   */
  readBarrier(
    done: Done<Index, "no-leader" | "timed-out" | "stopped">,
    options?: { readonly isPatient: boolean },
  ): void;

  transferLeader(to: PeerId, done: Done<Term, TransferOutcome | "not-leader">): void;
  /**
   * Changes the Raft group, through a joint configuration when there is more than one operation.
   * Done, with the index of a later entry, once the change can never be undone (contract 18).
   */
  changeMembership(changes: readonly ConfOp[], done: Done<Index, MembershipFailure>): void;
  listen(listener: ReplicaListener): () => void;
  status(): ReplicaStatus;
  /** How long things took over the last one to two minutes. */
  latencies(): LatencyView;
  /** Log entries in [lo, hi) that are still kept. */
  entries(lo: Index, hi: Index, done: Done<readonly Entry[] | "compacted", StorageError>): void;
  /**
   * A snapshot of this node that holds at least what is applied up to `atLeast`: the newest one,
   * or one that is made now. It is not deleted before it is released.
   */
  holdSnapshot(atLeast: Index, done: Done<HeldSnapshot, HoldFailure>): void;
}
