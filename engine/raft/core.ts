import { type Index, NOBODY, type PeerId, type Term } from "../lib/ids.ts";
import { bootCommit, bootConf, bootHardState, type PendingConf } from "./boot-state.ts";
import { copyPlain } from "./copy-plain.ts";
import { type LogImage, RaftLog } from "./log.ts";
import type { Options } from "./options.ts";
import { ZERO } from "./positions.ts";
import type { Progress } from "./progress.ts";
import type {
  Boot,
  ConfState,
  Effects,
  Entry,
  HardState,
  Message,
  Role,
  RoleChange,
  Seq,
  Session,
  SnapshotMeta,
  TraceName,
  TransferOutcome,
} from "./types.ts";

/** A read waiting for the leader's confirmation. `from` is this node for its own clients. */
export type WaitingRead = { readonly from: PeerId; readonly ctx: number };

export type ReadState = {
  /** Grows for the whole process life, across terms: an old answer can never confirm (P4). */
  seq: number;
  /** Asked since the last `take`, or before this term's first commit. */
  queued: WaitingRead[];
  /** Sent around under `seq`, to be answered with `index`. */
  rounds: { readonly seq: number; readonly index: Index; readonly reads: readonly WaitingRead[] }[];
  /** On a follower: asked of the leader, with the tick of asking. */
  forwarded: { readonly ctx: number; readonly tick: number }[];
};

export type TransferState = {
  /** While set, proposals are refused. NOBODY = no transfer. */
  target: PeerId;
  /** Still to be reported: who was to become leader, once this node no longer leads. */
  watched: PeerId;
  deadline: number;
};

export type PersistState = {
  seq: Seq;
  /** Last job that must be synced: what a gated message waits for. */
  syncSeq: Seq;
  persisted: Seq;
  handedOut: HardState;
  /** Jobs that are synced and under way, oldest first, with the tick they were issued at. */
  underWay: { readonly seq: Seq; readonly tick: number }[];
  /** Held until the job they depend on is durable (contract 5). */
  gated: { readonly seq: Seq; readonly message: Message }[];
  /** As above, but the job is not built yet. */
  gatedByNext: Message[];
  /** A received snapshot on its way into the log store. */
  install: { readonly snapshot: SnapshotMeta; seq: Seq | null } | null;
};

export type ApplyState = {
  /** Last entry handed out. */
  handedOut: Index;
  /** Not 0: nothing is handed out until the state machine was swapped to this index. */
  restoring: Index;
  fetchId: number;
  fetched: readonly Entry[] | null;
};

/** This boot's log is not what the node had made durable (contract 16). */
export type DamageState = {
  /** The first session seen of this leader's term; answers to it say `lost`. */
  lostTerm: Term;
  lostSession: Session;
  /** The commit index of the latest append of a newer session: whole when durable up to it. */
  wholeAt: Index;
};

export type Outbox = {
  messages: Message[];
  sendSnapshots: Effects["sendSnapshots"][number][];
  fetches: Effects["fetch"][number][];
  reads: Effects["reads"][number][];
  dropped: Effects["dropped"][number][];
  restore: SnapshotMeta | null;
  transfer: { readonly to: PeerId; readonly outcome: TransferOutcome } | null;
  conf: ConfState | null;
  truncateLogBefore: Index;
  lastRole: RoleChange;
};

/** Entries this node proposed while leading `term`, not yet known to be committed or lost. */
export type OwnProposals = { readonly term: Term; first: Index; last: Index };

/** The whole state of one Raft node. Mutated in place, by the functions of this folder only. */
export type Core = {
  readonly id: PeerId;
  readonly options: Options;
  readonly log: RaftLog;
  role: Role;
  term: Term;
  votedFor: PeerId;
  leader: PeerId;
  commit: Index;
  applied: Index;
  /** Up to here an append of this term has shown the log to equal its leader's. */
  verified: Index;

  /** Active since the commit of its entry. */
  conf: ConfState;
  /** Configuration entries of the log that are not committed. */
  pendingConfs: PendingConf[];
  ownProposals: OwnProposals[];

  tickCount: number;
  electionElapsed: number;
  heartbeatElapsed: number;
  /** Drawn when it is first needed; null = not yet. */
  electionJitter: number | null;

  votes: Map<PeerId, boolean>;
  /** A candidate leads only once its own vote is on its disk (contract 4). */
  ownVoteDurable: boolean;

  progress: Map<PeerId, Progress>;
  lastSession: Session;
  /** Last index before this leader's own first entry. */
  electionIndex: Index;
  uncommittedBytes: number;
  heartbeatDue: boolean;
  lastFetchId: number;

  readonly reads: ReadState;
  readonly transfer: TransferState;
  readonly persist: PersistState;
  readonly apply: ApplyState;
  damage: DamageState | null;
  /** The newest snapshot this node can ship. */
  snapshot: SnapshotMeta | null;
  readonly out: Outbox;

  /** Created once: the commit rule runs on every acknowledgement. */
  readonly matchOf: (id: PeerId) => number;
  readonly readAckOf: (id: PeerId) => number;
};

const NO_TERM = 0 as Term;

export function createCore(options: Options, boot: Boot): Core {
  const log = RaftLog.fromBoot(boot);
  const hardState = bootHardState(boot, log.lastTerm);
  const commit = bootCommit(boot, log.lastIndex);
  return withLookups({
    id: options.id,
    options,
    log,
    role: "follower",
    term: hardState.term,
    votedFor: hardState.votedFor,
    leader: NOBODY,
    commit,
    applied: boot.applied,
    verified: commit,
    ...bootConf(boot, commit),
    ownProposals: [],
    tickCount: 0,
    electionElapsed: 0,
    heartbeatElapsed: 0,
    electionJitter: null,
    votes: new Map(),
    ownVoteDurable: false,
    progress: new Map(),
    lastSession: 0,
    electionIndex: ZERO,
    uncommittedBytes: 0,
    heartbeatDue: false,
    lastFetchId: 0,
    reads: { seq: 0, queued: [], rounds: [], forwarded: [] },
    transfer: { target: NOBODY, watched: NOBODY, deadline: 0 },
    persist: createPersistState(boot.hardState ?? { ...hardState, commit }),
    apply: { handedOut: boot.applied, restoring: ZERO, fetchId: 0, fetched: null },
    damage: boot.damaged ? { lostTerm: NO_TERM, lostSession: 0, wholeAt: ZERO } : null,
    snapshot: boot.snapshot,
    out: createOutbox({ role: "follower", term: hardState.term, leader: NOBODY }),
  });
}

/** Everything a node is at one moment, but for its options: plain data that shares nothing. */
export type CoreImage = Omit<Core, "options" | "log" | "matchOf" | "readAckOf"> & {
  readonly log: LogImage;
};

export function imageOf({ options, log, matchOf, readAckOf, ...fields }: Core): CoreImage {
  return { ...copyPlain(fields), log: log.image() };
}

/** The same node again: given the same inputs it does the same. */
export function coreFromImage(options: Options, image: CoreImage): Core {
  const { log, ...fields } = image;
  return withLookups({ ...copyPlain(fields), options, log: RaftLog.fromImage(log) });
}

function withLookups(fields: Omit<Core, "matchOf" | "readAckOf">): Core {
  const core: Core = {
    ...fields,
    matchOf: (id) => (id === core.id ? core.log.durable : (core.progress.get(id)?.match ?? 0)),
    readAckOf: (id) => (id === core.id ? core.reads.seq : (core.progress.get(id)?.readAck ?? 0)),
  };
  return core;
}

const createPersistState = (handedOut: HardState): PersistState => ({
  seq: 0,
  syncSeq: 0,
  persisted: 0,
  handedOut,
  underWay: [],
  gated: [],
  gatedByNext: [],
  install: null,
});

const createOutbox = (lastRole: RoleChange): Outbox => ({
  messages: [],
  sendSnapshots: [],
  fetches: [],
  reads: [],
  dropped: [],
  restore: null,
  transfer: null,
  conf: null,
  truncateLogBefore: ZERO,
  lastRole,
});

/** Sends at once: the message promises nothing that is not on disk. */
export function send(core: Core, message: Message): void {
  core.out.messages.push(message);
}

/** Sends once everything this node's state rests on is durable (contract 5). */
export function sendWhenDurable(core: Core, message: Message): void {
  const held = core.persist.gatedByNext;
  const last = held.at(-1);
  // Of several acknowledgements under the same job the farthest says it all.
  if (
    last?.kind === "append-reply" &&
    message.kind === "append-reply" &&
    last.to === message.to &&
    last.session === message.session &&
    last.index <= message.index
  ) {
    held.pop();
  }
  held.push(message);
}

export function trace(core: Core, name: TraceName, message: Message | null = null): void {
  core.options.trace?.({
    name,
    id: core.id,
    term: core.term,
    votedFor: core.votedFor,
    commit: core.commit,
    durable: core.log.durable,
    lastIndex: core.log.lastIndex,
    role: core.role,
    message,
  });
}
