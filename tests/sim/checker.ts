import type { AttemptId, Index, JobId, NodeId, PeerId, Term } from "../../engine/lib/ids.ts";
import type { ConfState, Message, SnapshotMeta, Status } from "../../engine/raft/types.ts";
import type { JobState } from "../../engine/state/cluster-state.ts";
import type { SimDisk } from "./world/disk.ts";
import type { ChainedJob } from "./world/log-image.ts";

/** One node as the checkers see it: across crashes, with its disk. */
export type Member = {
  readonly peerId: PeerId;
  readonly nodeId: NodeId;
  /** Another one after the machine lost it whole. */
  readonly disk: SimDisk;
  /** Which disk this is: what a handshake shows. */
  readonly store: number;
  /** Its disk was lost while it voted: it must be removed, and its id never comes back. */
  readonly isLost: boolean;
  /** Counts the starts of its process. */
  readonly life: number;
  /** Raft's status after the last event in this life; null while the process is down. */
  readonly status: Status | null;
};

/** A task as the machine that runs it knows it. */
export type TaskEvent = {
  readonly nodeId: NodeId;
  readonly attemptId: AttemptId;
  readonly fence: number;
  readonly jobId: JobId;
};

/**
 * One property of `reference/raft.md` §6.1 or of SEMANTICS, as hooks that are called while the run
 * goes on. A hook throws `PropertyViolated`; it costs O(1), or O(nodes) where that is said.
 */
export type Checker = {
  readonly name: string;
  /** After every event inside a process that is running Raft. */
  readonly onStatus?: (member: Member, status: Status, before: Status | null) => void;
  /** A persist job is about to change `member.disk.written`. */
  readonly onWrite?: (member: Member, job: ChainedJob) => void;
  /** `member.disk.durable` has changed. */
  readonly onDurable?: (member: Member) => void;
  readonly onSend?: (member: Member, message: Message) => void;
  readonly onBoot?: (member: Member) => void;
  readonly onApplied?: (member: Member, index: Index, chain: number) => void;
  /** The state machine was swapped for the one of a snapshot. */
  readonly onRestored?: (member: Member, snapshot: SnapshotMeta) => void;
  readonly onStateHash?: (member: Member, index: Index, hash: string) => void;
  /** Once for every change, in the order of the log. */
  readonly onJobState?: (jobId: JobId, state: JobState) => void;
  /** The cluster's feature level has risen; `understood`: what each node has recorded. */
  readonly onLevelRaised?: (level: number, understood: readonly number[]) => void;
  readonly onTaskStarted?: (task: TaskEvent) => void;
  readonly onTaskEnded?: (task: TaskEvent) => void;
  /** A client was told that what it proposed is committed at `index`. */
  readonly onAcked?: (index: Index, what: Acked) => void;
  /** A linearizable read that began at `begun` acked was answered as of `index`. */
  readonly onRead?: (acked: Index, index: Index) => void;
};

export type Acked =
  | { readonly kind: "entry" }
  | { readonly kind: "submitted"; readonly jobId: JobId }
  | { readonly kind: "cancelled"; readonly jobId: JobId };

type Hook = Exclude<keyof Checker, "name">;

export class PropertyViolated extends Error {
  readonly property: string;

  constructor(property: string, detail: string) {
    super(`${property}: ${detail}`);
    this.property = property;
  }
}

/** Throws `PropertyViolated` unless `condition` holds. The detail is only built on failure. */
export function must(
  condition: boolean,
  property: string,
  detail: () => string,
): asserts condition {
  if (!condition) throw new PropertyViolated(property, detail());
}

/** Calls one hook of all checkers that have it, in their order. No hook takes more than three. */
export function broadcast<K extends Hook>(checkers: readonly Checker[], hook: K) {
  type Call = NonNullable<Checker[K]>;
  const calls = checkers.flatMap((checker) => {
    const call = checker[hook];
    return call === undefined ? [] : [call as (a: unknown, b: unknown, c: unknown) => void];
  });
  // Spelt out: this is called for every event, and spreading would cost more than most checkers.
  const all = (a: unknown, b: unknown, c: unknown): void => {
    for (const call of calls) call(a, b, c);
  };
  return all as (...args: Parameters<Call>) => void;
}

/** Everybody there ever was, by peer id from 1 on; it grows while the run goes on. */
export type Membership = readonly Member[];

/** A disk that is known to be lost or damaged is a loss that a quorum can bear: it does not lead. */
function holds(members: Membership, peer: PeerId, index: Index, chain: number | null): boolean {
  const member = members[peer - 1];
  if (member === undefined) return false;
  return member.isLost || member.disk.isDamaged || member.disk.durable.holds(index, chain);
}

const halvesOf = ({ voters, votersOutgoing }: ConfState): readonly (readonly PeerId[])[] =>
  votersOutgoing.length === 0 ? [voters] : [voters, votersOutgoing];

/** The log that ends in `chain` at `index` is durable on a quorum of each half. O(nodes) */
export const isOnQuorum = (
  members: Membership,
  conf: ConfState,
  entry: { readonly index: Index; readonly chain: number | null },
): boolean =>
  halvesOf(conf).every((half) => {
    const copies = half.filter((peer) => holds(members, peer, entry.index, entry.chain)).length;
    return copies * 2 > half.length;
  });

/** Whether those who do not hold it durably could elect a leader on their own. O(nodes) */
export const canElectWithout = (
  members: Membership,
  conf: ConfState,
  entry: { readonly index: Index; readonly chain: number | null },
): boolean =>
  halvesOf(conf).every((half) => {
    const copies = half.filter((peer) => holds(members, peer, entry.index, entry.chain)).length;
    return (half.length - copies) * 2 > half.length;
  });

export const isNewLeader = (status: Status, before: Status | null): boolean =>
  status.role === "leader" && (before?.role !== "leader" || before.term !== status.term);

export const describeAt = (term: Term, index: Index): string => `index ${index} of term ${term}`;
