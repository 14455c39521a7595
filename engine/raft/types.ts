import type { Index, PeerId, Term } from "../lib/ids.ts";

/**
 * The surface of the Raft core: no I/O, no clock, no randomness of its own, no promise.
 * Many inputs, one coalesced `take()`; the contract stands in `README.md` beside this file.
 */

/** Number of a persist job, growing by one within a process life. */
export type Seq = number;

/**
 * Replication session: a number the leader gives a peer, growing within its term. Replies of older
 * sessions are ignored, so that acks of an earlier incarnation never count for a later one.
 */
export type Session = number;

export type EntryKind = "normal" | "noop" | "conf";
export type Entry = {
  readonly index: Index;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
};

export type HardState = {
  readonly term: Term;
  readonly votedFor: PeerId;
  readonly commit: Index;
};

export type ConfState = {
  readonly voters: readonly PeerId[];
  /** Non-empty while joint. */
  readonly votersOutgoing: readonly PeerId[];
  readonly learners: readonly PeerId[];
  readonly learnersNext: readonly PeerId[];
  readonly autoLeave: boolean;
};

export type ConfOp = { readonly op: "voter" | "learner" | "remove"; readonly id: PeerId };
export type ConfChange = {
  readonly changes: readonly ConfOp[];
  readonly transition: "auto" | "implicit" | "explicit";
  readonly context: Uint8Array;
};

/** Names a snapshot; its bytes travel outside the core. `sha256` is lower-case hex. */
export type SnapshotMeta = {
  readonly index: Index;
  readonly term: Term;
  readonly conf: ConfState;
  readonly id: string;
  readonly bytes: number;
  readonly sha256: string;
};

type Head = { readonly from: PeerId; readonly to: PeerId; readonly term: Term };

/** What peers exchange. */
export type Message =
  | (Head & {
      readonly kind: "vote";
      readonly pre: boolean;
      /** Position of the last *durable* entry, never of an unpersisted one (contract 4). */
      readonly lastIndex: Index;
      readonly lastTerm: Term;
      readonly transfer: boolean;
    })
  | (Head & { readonly kind: "vote-reply"; readonly pre: boolean; readonly granted: boolean })
  | (Head & {
      readonly kind: "append";
      readonly session: Session;
      readonly prevIndex: Index;
      readonly prevTerm: Term;
      readonly entries: readonly Entry[];
      readonly commit: Index;
    })
  | (Head & {
      readonly kind: "append-reply";
      readonly session: Session;
      readonly index: Index;
      readonly reject: boolean;
      readonly hintIndex: Index;
      readonly hintTerm: Term;
      /** commit − applied on the follower, in entries. */
      readonly lag: number;
      /** The follower booted damaged: open a new session for it (contract 16). */
      readonly lost: boolean;
    })
  | (Head & {
      readonly kind: "heartbeat";
      readonly session: Session;
      /** min(match of the peer, commit). */
      readonly commit: Index;
      readonly readSeq: number;
    })
  | (Head & {
      readonly kind: "heartbeat-reply";
      readonly session: Session;
      readonly readSeq: number;
      readonly lag: number;
      readonly lost: boolean;
    })
  | (Head & {
      readonly kind: "snapshot";
      readonly session: Session;
      readonly snapshot: SnapshotMeta;
    })
  | (Head & { readonly kind: "timeout-now" })
  | (Head & { readonly kind: "read-index"; readonly ctx: number })
  | (Head & { readonly kind: "read-index-reply"; readonly ctx: number; readonly index: Index });

/** Everything that may change the state: the recorded form of every method of `Raft`. */
export type Input =
  | { readonly kind: "tick" }
  | { readonly kind: "message"; readonly message: Message }
  | { readonly kind: "propose"; readonly data: readonly Uint8Array[] }
  | { readonly kind: "propose-conf"; readonly change: ConfChange }
  /** The first `ctx` of a process life is random, so that an old queued answer cannot match. */
  | { readonly kind: "read"; readonly ctx: number }
  | { readonly kind: "transfer"; readonly to: PeerId }
  | { readonly kind: "campaign" }
  | { readonly kind: "forget-leader" }
  /** Job `seq` and all before it are durable. */
  | { readonly kind: "persisted"; readonly seq: Seq }
  | { readonly kind: "applied"; readonly index: Index }
  | {
      readonly kind: "fetched";
      readonly id: number;
      readonly result: readonly Entry[] | "compacted";
    }
  | { readonly kind: "snapshot-created"; readonly snapshot: SnapshotMeta; readonly keepFrom: Index }
  | {
      readonly kind: "snapshot-sent";
      readonly to: PeerId;
      readonly session: Session;
      readonly ok: boolean;
    }
  | { readonly kind: "unreachable"; readonly peer: PeerId }
  /** Fail-stop: there is no way back. */
  | { readonly kind: "storage-failed"; readonly reason: string };

/** One atomic transaction. Jobs are written in `seq` order and answered with `persisted`. */
export type PersistJob = {
  readonly seq: Seq;
  /** Null = unchanged. */
  readonly hardState: HardState | null;
  /** To write; implies deleting every index >= the first of them beforehand. */
  readonly entries: readonly Entry[];
  /** To install: replaces the whole log. */
  readonly snapshot: SnapshotMeta | null;
  /** False only when nothing but the commit index moved. */
  readonly fsync: boolean;
};

/** Everything the driver must do. */
export type Effects = {
  /** Send now; any order per peer is safe, first-in first-out is best. */
  readonly messages: readonly Message[];
  readonly persist: PersistJob | null;
  /** Committed and locally durable, contiguous, bounded. */
  readonly apply: readonly Entry[];
  /** Swap the state machine before applying anything further. */
  readonly restore: SnapshotMeta | null;
  readonly sendSnapshots: readonly {
    readonly to: PeerId;
    readonly session: Session;
    readonly snapshot: SnapshotMeta;
  }[];
  readonly fetch: readonly {
    readonly id: number;
    /** Half-open range [lo, hi). */
    readonly lo: Index;
    readonly hi: Index;
    readonly maxBytes: number;
  }[];
  /** `index` null: refused, retry elsewhere. */
  readonly reads: readonly { readonly ctx: number; readonly index: Index | null }[];
  /** Own proposals now known to be overwritten. */
  readonly dropped: readonly { readonly index: Index; readonly term: Term }[];
  readonly role: RoleChange | null;
  readonly transfer: { readonly to: PeerId; readonly outcome: TransferOutcome } | null;
  /** The configuration that just became active. */
  readonly conf: ConfState | null;
  /** 0 = nothing; deletion may be lazy and need not be acknowledged. */
  readonly truncateLogBefore: Index;
};

export type TransferOutcome = "done" | "timed-out" | "target-behind" | "lost-leadership";
export type Role = "follower" | "precandidate" | "candidate" | "leader" | "halted";
export type RoleChange = { readonly role: Role; readonly term: Term; readonly leader: PeerId };

export type ProposeResult =
  | { readonly ok: true; readonly first: Index; readonly last: Index; readonly term: Term }
  | { readonly ok: false; readonly reason: ProposeError; readonly leader: PeerId };

export type ProposeError =
  | "not-leader"
  | "transferring"
  | "uncommitted-limit"
  | "apply-lag"
  | "too-large"
  | "conf-pending"
  | "conf-invalid"
  | "learner-behind"
  | "not-member"
  | "halted";

/** Injected and seeded: a uniform integer in [0, n). */
export type Rng = { below(n: number): number };

export type RaftConfig = {
  readonly id: PeerId;
  /** Election timeout is drawn from [electionTicks, 2 × electionTicks). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  readonly rng: Rng;
  readonly preVote?: boolean;
  readonly checkQuorum?: boolean;
  /** False: never campaigns on its own. */
  readonly campaigns?: boolean;
  readonly maxMsgBytes?: number;
  readonly maxInflightMsgs?: number;
  readonly maxInflightBytes?: number;
  readonly maxUncommittedBytes?: number;
  /** Entries handed out by `apply` and not yet reported `applied`. */
  readonly maxApplyEntries?: number;
  /** Entries; above it the leader refuses proposals. */
  readonly maxApplyLag?: number;
  /** Entries; "voter" for a learner further behind is refused. */
  readonly learnerPromoteLag?: number;
  /** Entries kept behind a snapshot for a member that is catching up; 0 = none. */
  readonly maxCatchUpEntries?: number;
  readonly stepDownOnRemoval?: boolean;
  readonly trace?: (event: TraceEvent) => void;
};

/**
 * One per state transition, enough to check a run against a specification of Raft: the state after
 * it (before it for `receive`), and the message it is about. A `send` is traced when the message
 * leaves the core, so after whatever it rests on is durable.
 */
export type TraceEvent = {
  readonly name: TraceName;
  readonly id: PeerId;
  readonly term: Term;
  readonly votedFor: PeerId;
  readonly commit: Index;
  readonly durable: Index;
  readonly lastIndex: Index;
  readonly role: Role;
  readonly message: Message | null;
};

export type TraceName =
  /** A life begins, with what was on disk. */
  | "init"
  | "become-follower"
  | "become-precandidate"
  | "become-candidate"
  | "become-leader"
  | "grant-vote"
  | "refuse-vote"
  /** Entries came into the log: a leader's own, or those of an append. */
  | "append"
  | "truncate"
  | "persisted"
  | "commit"
  /** Another configuration is active. */
  | "conf"
  /** A received snapshot replaces the log. */
  | "restore"
  | "compact"
  | "receive"
  | "send"
  /** Why a leader is none any more; `become-follower` comes next. */
  | "quorum-lost"
  | "disk-stalled"
  | "removed"
  | "halt";

/** What the driver loaded from disk. The core never reads storage after this. */
export type Boot = {
  readonly hardState: HardState | null;
  readonly snapshot: SnapshotMeta | null;
  /** Of the state machine that was recovered. */
  readonly applied: Index;
  /** Run-length terms of the whole kept log. */
  readonly termRuns: readonly { readonly from: Index; readonly term: Term }[];
  /** Every conf entry after `snapshot.index`. */
  readonly confEntries: readonly Entry[];
  /** The last entries, as many as the cache should hold. */
  readonly tail: readonly Entry[];
  readonly lastIndex: Index;
  /** The log is not what this node had made durable: no vote, no campaign (contract 16). */
  readonly damaged: boolean;
};

export type ProgressView = {
  readonly id: PeerId;
  readonly state: "probe" | "replicate" | "snapshot";
  readonly match: Index;
  readonly next: Index;
  readonly inflight: number;
  readonly inflightBytes: number;
  /**
   * Heard from in this window of the quorum check or in the one before, so that it does not flicker
   * at each check; a new leader's members count as heard from for one window.
   */
  readonly active: boolean;
  readonly learner: boolean;
  readonly session: Session;
  readonly lag: number;
};

export type Status = RoleChange &
  HardState & {
    readonly id: PeerId;
    readonly applied: Index;
    readonly durable: Index;
    readonly firstIndex: Index;
    readonly lastIndex: Index;
    /** Of the newest snapshot that can be shipped; 0 = none. */
    readonly snapshotIndex: Index;
    /** A job is under way for longer than an election timeout: this node does not lead. */
    readonly diskStalled: boolean;
    readonly conf: ConfState;
    readonly transferee: PeerId;
    /** Booted damaged and not whole again: neither votes nor campaigns (contract 16). */
    readonly damaged: boolean;
    readonly uncommittedBytes: number;
    readonly progress: readonly ProgressView[];
  };

export interface Raft {
  /** As in `status()`, for those who ask in every turn. */
  readonly commit: Index;
  readonly lastIndex: Index;
  tick(): void;
  /**
   * How many ticks from now would only be counted: they may be delivered late, together and before
   * the next input. Changes nothing.
   */
  quietTicks(): number;
  /** Total: never throws because of what a peer sent. */
  step(message: Message): void;
  propose(data: readonly Uint8Array[]): ProposeResult;
  proposeConf(change: ConfChange): ProposeResult;
  /** Answered through `Effects.reads`. */
  read(ctx: number): void;
  persisted(seq: Seq): void;
  applied(index: Index): void;
  /** The same methods behind one serialisable union. Null for inputs that answer nothing. */
  input(input: Input): ProposeResult | null;
  /** Everything due since the last call, coalesced; null when there is nothing. */
  take(): Effects | null;
  status(): Status;
}
