import type { AttemptId, Index, JobId, NodeId, PeerId, UnixMillis } from "../lib/ids.ts";

export type JobState = "pending" | "assigned" | "running" | "completed" | "failed" | "cancelled";

/** Why a job is in its state; empty = nothing to add. Lower case on every surface. */
export type JobReason =
  | ""
  | "queued"
  | "backoff"
  | "cancelling"
  | "exit-code"
  | "signal"
  | "timeout"
  | "start-timeout"
  | "oom-killed"
  | "killed"
  | "output-limit"
  | "not-started"
  | "no-docker"
  | "no-image"
  | "node-lost"
  | "agent-fault"
  | "lost-too-often";

/**
 * One job. Flat and replaced, never mutated, so that a snapshot can walk the state while it
 * changes (DESIGN, State machine). Absent times and codes are null; absent words are empty.
 */
export type Job = {
  readonly id: JobId;
  readonly spec: SpecRecord;
  readonly state: JobState;
  readonly reason: JobReason;
  readonly submittedAt: UnixMillis;
  readonly submittedIndex: Index;
  readonly updatedIndex: Index;
  readonly principal: string;
  /** Null until the first assignment: most pending jobs never need more. */
  readonly run: JobRun | null;
};

/** What a job has once it was assigned for the first time, or ended. */
export type JobRun = {
  /** Number of the newest attempt; 0 = none yet (a job cancelled while pending). */
  readonly attempt: number;
  readonly nodeId: NodeId | null;
  readonly startedAt: UnixMillis | null;
  readonly finishedAt: UnixMillis | null;
  readonly exitCode: number | null;
  readonly signal: string;
  /** Program failures so far, charged to `retries`. */
  readonly failures: number;
  /** Attempts lost to nodes, drains or agents, charged to the system budget. */
  readonly losses: number;
  /** Pending with `backoff`: not before this time. */
  readonly notBefore: UnixMillis | null;
  /** Why the next attempt begins. */
  readonly cause: AttemptCause;
  readonly cancelRequestedAt: UnixMillis | null;
  readonly detail: string;
};

export type AttemptState = "assigned" | "starting" | "running" | "exited" | "declined" | "lost";

export type AttemptCause = "first" | "retry" | "node-lost" | "drain" | "declined" | "agent-fault";

/**
 * How an attempt ended. `exited` has a code, `signalled` a signal; `not-started`, `no-docker` and
 * `no-image` have neither; `agent-fault` is not charged to the job.
 */
export type AttemptEnd =
  | "exited"
  | "signalled"
  | "timeout"
  | "start-timeout"
  | "oom-killed"
  | "cancelled"
  | "output-limit"
  | "not-started"
  | "no-docker"
  | "no-image"
  | "lease-lost"
  | "drained"
  | "agent-fault";

export type Attempt = {
  readonly id: AttemptId;
  readonly jobId: JobId;
  readonly number: number;
  readonly nodeId: NodeId;
  /** Log index of the assignment: grows with every attempt in the cluster. */
  readonly fence: Index;
  readonly state: AttemptState;
  readonly cause: AttemptCause;
  readonly assignedAt: UnixMillis;
  readonly startedAt: UnixMillis | null;
  readonly finishedAt: UnixMillis | null;
  readonly end: AttemptEnd | null;
  readonly exitCode: number | null;
  readonly signal: string;
  readonly detail: string;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly outputAtLeast: boolean;
  readonly driver: string;
  readonly peakMemoryBytes: number;
};

/** A spec as its canonical bytes, interned: equal specs share one record. */
export type SpecRecord = {
  readonly hash: string;
  readonly bytes: Uint8Array;
};

export type NodeRole = "server" | "worker";

/**
 * What a node shall be in the Raft group, which the leader brings about; `none` for a worker. Who
 * leaves drains first, then loses its seat, then is forgotten.
 */
export type Seat = "voter" | "learner" | "leaving" | "none";

export type NodeRecord = {
  readonly id: NodeId;
  /** NOBODY for a node that is only a worker. */
  readonly peerId: PeerId;
  readonly seat: Seat;
  readonly storeId: string;
  readonly roles: readonly NodeRole[];
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly liveness: "alive" | "lost";
  /** Null = accepts work. */
  readonly drain: DrainIntent | null;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly slots: number;
  readonly drivers: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly featureLevel: number;
  readonly version: string;
  /** False until the node has registered itself: founding members are known before they live. */
  readonly registered: boolean;
};

export type DrainIntent = {
  readonly startedAt: UnixMillis;
  readonly deadlineAt: UnixMillis;
  readonly message: string;
  readonly principal: string;
};

/** A permission to join. The secret itself is known to whoever carries the token, to nobody else. */
export type JoinToken = {
  readonly id: string;
  /** SHA-256 of the secret, lower-case hex. */
  readonly secretHash: string;
  readonly role: NodeRole;
  readonly createdAt: UnixMillis;
  readonly expiresAt: UnixMillis;
  readonly usesLeft: number;
  readonly revoked: boolean;
  readonly principal: string;
};

/** Who was a member and is not any more: remembered so that the name does not come back. */
export type FormerNode = {
  readonly id: NodeId;
  readonly peerId: PeerId;
  readonly removedAt: UnixMillis;
  readonly principal: string;
};

export type JobCounts = Readonly<Record<JobState, number>>;

/** What the rest of nl may see of the replicated state; only `apply` holds the writable one. */
export interface ClusterView {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly featureLevel: number;
  readonly appliedIndex: Index;
  /** The newest `at` of an applied command: replicated time, never going back. */
  readonly appliedAt: UnixMillis;
  readonly counts: JobCounts;
  /** Hex of the incremental state hash (SEMANTICS S14). */
  stateHash(): string;

  readonly jobs: ReadonlyMap<JobId, Job>;
  readonly nodes: ReadonlyMap<NodeId, NodeRecord>;
  /** Peer ids below it that no node has were removed, and never come back. */
  readonly nextPeerId: PeerId;
  readonly joinTokens: ReadonlyMap<string, JoinToken>;
  /** The newest of those who left, oldest first. */
  readonly formerNodes: ReadonlyMap<NodeId, FormerNode>;
  attempt(id: AttemptId): Attempt | undefined;
  /** In order of their numbers; empty for a job never assigned. */
  attemptsOf(jobId: JobId): readonly Attempt[];
  /** Attempts of this node that are not over. */
  liveAttempts(nodeId: NodeId): readonly Attempt[];
  /** Pending jobs by priority, then submit order. */
  pending(): IterableIterator<Job>;
  /** Pending jobs that may start at `now`, in the same order: what placement reads. */
  ready(now: UnixMillis): IterableIterator<Job>;
  /** When the next job's backoff ends after `now`; null when none waits for a time. */
  nextDueAt(now: UnixMillis): UnixMillis | null;
  /** Newest first by submission; with `olderThan` from the job before that one on, at no cost. */
  newestFirst(olderThan?: JobId): IterableIterator<Job>;
  /** Jobs whose id starts with `prefix`, at most `limit`. */
  findByPrefix(prefix: string, limit: number): readonly Job[];
}
