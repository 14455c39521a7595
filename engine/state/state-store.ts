import { assert } from "../lib/assert.ts";
import type { AttemptId, Index, JobId, NodeId, PeerId, UnixMillis } from "../lib/ids.ts";
import { attemptId, following } from "../lib/ids.ts";
import { isOver } from "./attempt-lifecycle.ts";
import type {
  Attempt,
  ClusterView,
  FormerNode,
  Job,
  JobCounts,
  JobState,
  JoinToken,
  NodeRecord,
} from "./cluster-state.ts";
import { ordinalOf, PendingQueue, queueKey, type Waiting } from "./pending-queue.ts";
import { PrefixIndex } from "./prefix-index.ts";
import {
  hashAttempt,
  hashFormerNode,
  hashJob,
  hashJoinToken,
  hashNode,
  hashScalars,
} from "./record-hash.ts";
import { RecordTable } from "./record-table.ts";
import { RecordWalk, type WalkedJob } from "./record-walk.ts";
import { priorityOf } from "./spec-codec.ts";
import { type InternedSpec, SpecTable } from "./spec-table.ts";
import { StateHash } from "./state-hash.ts";

/** A job as it is kept: its place in the queue is computed once, when it is submitted. */
export type StoredJob = NewJob & { readonly queueKey: number };

/** A job to submit: its spec has been interned, so its hash is at hand as numbers. */
export type NewJob = Job & { readonly spec: InternedSpec };

export type StateLimits = {
  /** Job records, over or not; the next submission is refused (SEMANTICS S12). */
  readonly jobsMax: number;
};

export const STATE_LIMITS: StateLimits = { jobsMax: 1_000_000 };

const WORDS_MAX = 10_000;
const NO_ATTEMPTS: readonly Attempt[] = [];
/** Names that are remembered so that they do not come back; peer ids need no memory. */
const FORMER_NODES_MAX = 1_024;

/**
 * The replicated state, writable. Only `apply` and `createState` hold it as such. Every record goes
 * through `addJob`, `putJob`, `putAttempt` or `putNode`, which keep the indexes, counts and hash.
 */
export class StateStore implements ClusterView {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly limits: StateLimits;
  readonly #nodes = new Map<NodeId, NodeRecord>();
  readonly #joinTokens = new Map<string, JoinToken>();
  readonly #formerNodes = new Map<NodeId, FormerNode>();
  #nextPeerId = 1 as PeerId;
  readonly #attempts = new RecordTable<AttemptId, Attempt>();
  readonly #live = new Map<NodeId, Map<AttemptId, Attempt>>();
  /** In the order of their submission; a job's place is the ordinal in its queue key. */
  readonly #jobs = new RecordTable<JobId, StoredJob>();
  readonly #prefixes = new PrefixIndex((place) => this.#jobs.at(place).id);
  readonly #queue = new PendingQueue();
  readonly #specs = new SpecTable();
  readonly #words = new Map<string, string>();
  readonly #hash = new StateHash();
  readonly #counts: Record<JobState, number> = {
    pending: 0,
    assigned: 0,
    running: 0,
    completed: 0,
    failed: 0,
    cancelled: 0,
  };
  /** The walk under way; it is told before a record changes. */
  #walk: RecordWalk | null = null;
  #featureLevel: number;
  #appliedIndex: Index;
  #appliedAt: UnixMillis;

  constructor(start: {
    readonly clusterId: string;
    readonly clusterName: string;
    readonly featureLevel: number;
    readonly appliedIndex: Index;
    readonly appliedAt: UnixMillis;
    readonly limits: StateLimits;
  }) {
    this.clusterId = start.clusterId;
    this.clusterName = start.clusterName;
    this.limits = start.limits;
    this.#featureLevel = start.featureLevel;
    this.#appliedIndex = start.appliedIndex;
    this.#appliedAt = start.appliedAt;
  }

  get jobs(): ReadonlyMap<JobId, StoredJob> {
    return this.#jobs;
  }

  get nodes(): ReadonlyMap<NodeId, NodeRecord> {
    return this.#nodes;
  }

  get joinTokens(): ReadonlyMap<string, JoinToken> {
    return this.#joinTokens;
  }

  get formerNodes(): ReadonlyMap<NodeId, FormerNode> {
    return this.#formerNodes;
  }

  get nextPeerId(): PeerId {
    return this.#nextPeerId;
  }

  get featureLevel(): number {
    return this.#featureLevel;
  }

  get appliedIndex(): Index {
    return this.#appliedIndex;
  }

  get appliedAt(): UnixMillis {
    return this.#appliedAt;
  }

  get counts(): JobCounts {
    return { ...this.#counts };
  }

  stateHash(): string {
    return this.#hash.hexWith(hashScalars(this));
  }

  attempt(id: AttemptId): Attempt | undefined {
    return this.#attempts.get(id);
  }

  attemptsOf(jobId: JobId): readonly Attempt[] {
    const newest = this.#jobs.get(jobId)?.run?.attempt ?? 0;
    const attempts: Attempt[] = [];
    for (let number = 1; number <= newest; number++) {
      const attempt = this.#attempts.get(attemptId(jobId, number));
      if (attempt !== undefined) attempts.push(attempt);
    }
    return attempts;
  }

  liveAttempts(nodeId: NodeId): readonly Attempt[] {
    return [...(this.#live.get(nodeId)?.values() ?? [])].sort(byAssignment);
  }

  pending(): IterableIterator<Job> {
    return this.#jobsAt(this.#queue.all());
  }

  ready(now: UnixMillis): IterableIterator<Job> {
    return this.#jobsAt(this.#queue.ready(now));
  }

  nextDueAt(now: UnixMillis): UnixMillis | null {
    return this.#queue.nextDueAt(now);
  }

  *newestFirst(olderThan?: JobId): IterableIterator<Job> {
    const start = olderThan === undefined ? undefined : this.#jobs.get(olderThan);
    const end = start === undefined ? this.#jobs.size : ordinalOf(start.queueKey);
    for (let place = end - 1; place >= 0; place--) yield this.#jobs.at(place);
  }

  findByPrefix(prefix: string, limit: number): readonly Job[] {
    return this.#prefixes.findByPrefix(prefix, limit).map((id) => this.#known(id));
  }

  /** All records as they are now, to be read while they change. One walk at a time. */
  walk(): RecordWalk {
    assert(this.#walk === null, "one walk at a time");
    const { featureLevel, clusterId, clusterName, appliedIndex, appliedAt, nextPeerId } = this;
    const walk = new RecordWalk(
      {
        head: { featureLevel, clusterId, clusterName, appliedIndex, appliedAt, nextPeerId },
        nodes: [...this.#nodes.values()],
        joinTokens: [...this.#joinTokens.values()],
        formerNodes: [...this.#formerNodes.values()],
        end: {
          nodes: this.#nodes.size,
          joinTokens: this.#joinTokens.size,
          formerNodes: this.#formerNodes.size,
          jobs: this.#jobs.size,
          attempts: this.#attempts.size,
          stateHash: this.stateHash(),
        },
      },
      {
        submittedCount: this.#jobs.size,
        submitted: (ordinal) => this.#submitted(ordinal),
        onEnd: () => {
          this.#walk = null;
        },
      },
    );
    this.#walk = walk;
    return walk;
  }

  /** The one copy of these bytes. */
  internSpec(bytes: Uint8Array): InternedSpec {
    return this.#specs.intern(bytes);
  }

  /** Moves replicated time, which never goes back. */
  advanceTime(at: UnixMillis): void {
    if (at <= this.#appliedAt) return;
    this.#appliedAt = at;
    this.#queue.advance(at);
  }

  advanceIndex(index: Index): void {
    assert(index === following(this.#appliedIndex), "entries are applied once, in order");
    this.#appliedIndex = index;
  }

  raiseFeatureLevel(level: number): void {
    assert(level > this.#featureLevel, "the feature level only rises");
    this.#featureLevel = level;
  }

  addJob(job: NewJob): StoredJob {
    assert(!this.#jobs.has(job.id), "a submitted job is new");
    const place = this.#jobs.size;
    const stored: StoredJob = {
      id: job.id,
      spec: job.spec,
      state: job.state,
      reason: job.reason,
      submittedAt: job.submittedAt,
      submittedIndex: job.submittedIndex,
      updatedIndex: job.updatedIndex,
      principal: this.#shared(job.principal),
      run: job.run,
      queueKey: queueKey(priorityOf(job.spec.bytes), place),
    };
    this.#writeJob(stored);
    this.#prefixes.add(job.id, place);
    return stored;
  }

  putJob(job: StoredJob): void {
    const before = this.#known(job.id);
    if (this.#walk !== null) this.#walk.beforeChange(before);
    assert(before.queueKey === job.queueKey, "a job keeps its place in the queue");
    this.#hash.subtract(hashJob(before));
    this.#counts[before.state] -= 1;
    if (before.state === "pending") this.#queue.remove(waitingOf(before));
    this.#writeJob(job);
  }

  putAttempt(attempt: Attempt): void {
    if (this.#walk !== null) this.#walk.beforeChange(this.#known(attempt.jobId));
    const before = this.#attempts.get(attempt.id);
    if (before !== undefined) this.#hash.subtract(hashAttempt(before));
    this.#hash.add(hashAttempt(attempt));
    this.#attempts.set(attempt);
    this.#indexLive(attempt);
  }

  putNode(node: NodeRecord): void {
    const before = this.#nodes.get(node.id);
    if (before !== undefined) this.#hash.subtract(hashNode(before));
    this.#hash.add(hashNode(node));
    this.#nodes.set(node.id, node);
  }

  removeNode(id: NodeId): void {
    const before = this.#nodes.get(id);
    assert(before !== undefined, "a node that is removed was there");
    assert(this.liveAttempts(id).length === 0, "a removed node has no live attempt");
    this.#hash.subtract(hashNode(before));
    this.#nodes.delete(id);
    this.#live.delete(id);
  }

  /** Remembers a name; the oldest one is forgotten when there are too many. */
  addFormerNode(node: FormerNode): void {
    this.#hash.add(hashFormerNode(node));
    this.#formerNodes.set(node.id, node);
    const [oldest] = this.#formerNodes.values();
    if (oldest === undefined || this.#formerNodes.size <= FORMER_NODES_MAX) return;
    this.#hash.subtract(hashFormerNode(oldest));
    this.#formerNodes.delete(oldest.id);
  }

  setNextPeerId(next: PeerId): void {
    assert(next >= this.#nextPeerId, "a peer id is never given twice");
    this.#nextPeerId = next;
  }

  putJoinToken(token: JoinToken): void {
    this.removeJoinToken(token.id);
    this.#hash.add(hashJoinToken(token));
    this.#joinTokens.set(token.id, token);
  }

  removeJoinToken(id: string): void {
    const before = this.#joinTokens.get(id);
    if (before === undefined) return;
    this.#hash.subtract(hashJoinToken(before));
    this.#joinTokens.delete(id);
  }

  #writeJob(job: StoredJob): void {
    this.#jobs.set(job);
    this.#hash.add(hashJob(job));
    this.#counts[job.state] += 1;
    if (job.state === "pending") this.#queue.add(waitingOf(job), this.#appliedAt);
  }

  #indexLive(attempt: Attempt): void {
    const live = this.#live.get(attempt.nodeId);
    if (isOver(attempt)) {
      live?.delete(attempt.id);
    } else if (live === undefined) {
      this.#live.set(attempt.nodeId, new Map([[attempt.id, attempt]]));
    } else {
      live.set(attempt.id, attempt);
    }
  }

  #submitted(ordinal: number): WalkedJob {
    const job = this.#jobs.at(ordinal);
    return { job, attempts: job.run === null ? NO_ATTEMPTS : this.attemptsOf(job.id) };
  }

  *#jobsAt(keys: IterableIterator<number>): IterableIterator<StoredJob> {
    for (const key of keys) yield this.#jobs.at(ordinalOf(key));
  }

  #known(id: JobId): StoredJob {
    const job = this.#jobs.get(id);
    assert(job !== undefined, "an indexed job has a record");
    return job;
  }

  /** Principals repeat: decoded from the log they would cost a string a job. */
  #shared(word: string): string {
    const known = this.#words.get(word);
    if (known !== undefined) return known;
    if (this.#words.size < WORDS_MAX) this.#words.set(word, word);
    return word;
  }
}

/** An order that the log gives: the same on a node that began with a snapshot (SEMANTICS S13). */
const byAssignment = (a: Attempt, b: Attempt): number =>
  a.fence - b.fence || (a.id < b.id ? -1 : 1);

const waitingOf = (job: StoredJob): Waiting => ({
  key: job.queueKey,
  notBefore: job.run?.notBefore ?? null,
});
