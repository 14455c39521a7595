import { assert } from "../lib/assert.ts";
import type { JobId } from "../lib/ids.ts";
import type { Attempt, FormerNode, JoinToken, NodeRecord } from "./cluster-state.ts";
import { ordinalOf } from "./pending-queue.ts";
import type { SnapshotEnd, SnapshotHead } from "./snapshot-records.ts";
import type { StoredJob } from "./state-store.ts";

export type WalkedJob = {
  readonly job: StoredJob;
  readonly attempts: readonly Attempt[];
};

/** What a walk reads, always as it is now. */
export type WalkSource = {
  readonly submittedCount: number;
  readonly submitted: (ordinal: number) => WalkedJob;
  /** Nobody needs to be told about changes any more. */
  readonly onEnd: () => void;
};

/**
 * Every record as it was when the walk began, while the state goes on changing: records are
 * replaced and never mutated, so the first old one of each job that changes before the walk has
 * passed it is kept. Jobs submitted later lie beyond its end. Nodes and tokens are few: copied at
 * once.
 */
export class RecordWalk {
  readonly head: SnapshotHead;
  readonly end: SnapshotEnd;
  readonly nodes: readonly NodeRecord[];
  readonly joinTokens: readonly JoinToken[];
  readonly formerNodes: readonly FormerNode[];
  readonly #source: WalkSource;
  readonly #endOrdinal: number;
  /** Old records of jobs that lie ahead. */
  readonly #kept = new Map<JobId, WalkedJob>();
  #ordinal = 0;
  #isOver = false;

  constructor(
    start: {
      readonly head: SnapshotHead;
      readonly end: SnapshotEnd;
      readonly nodes: readonly NodeRecord[];
      readonly joinTokens: readonly JoinToken[];
      readonly formerNodes: readonly FormerNode[];
    },
    source: WalkSource,
  ) {
    this.head = start.head;
    this.end = start.end;
    this.nodes = start.nodes;
    this.joinTokens = start.joinTokens;
    this.formerNodes = start.formerNodes;
    this.#source = source;
    this.#endOrdinal = source.submittedCount;
  }

  /** Old records that are kept alive right now. */
  get keptCount(): number {
    return this.#kept.size;
  }

  /** Before a job or one of its attempts changes. */
  beforeChange(job: StoredJob): void {
    const ordinal = ordinalOf(job.queueKey);
    if (ordinal < this.#ordinal || ordinal >= this.#endOrdinal || this.#kept.has(job.id)) return;
    this.#kept.set(job.id, this.#source.submitted(ordinal));
  }

  /** The next job in the order of submission; null at the end. */
  next(): WalkedJob | null {
    assert(!this.#isOver, "a walk that is over gives nothing");
    if (this.#ordinal === this.#endOrdinal) return null;
    const now = this.#source.submitted(this.#ordinal);
    this.#ordinal += 1;
    const kept = this.#kept.get(now.job.id);
    if (kept === undefined) return now;
    this.#kept.delete(now.job.id);
    return kept;
  }

  /** To be called once, read to the end or not. */
  stop(): void {
    assert(!this.#isOver, "a walk ends once");
    this.#isOver = true;
    this.#kept.clear();
    this.#source.onEnd();
  }
}
