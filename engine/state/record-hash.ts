import type {
  Attempt,
  AttemptCause,
  AttemptState,
  FormerNode,
  Job,
  JobReason,
  JobRun,
  JobState,
  JoinToken,
  NodeRecord,
} from "./cluster-state.ts";

/**
 * Hashes one record into two 32-bit lanes. The lanes are mutable registers of this object, so that
 * hashing a record allocates nothing: `begin`, feed, `end`, then read `low` and `high`.
 * Guards against divergence, not against an attacker.
 */
class RecordHasher {
  low = 0;
  high = 0;

  begin(tag: number): void {
    this.low = 0x811c9dc5;
    this.high = 0x9e3779b9;
    this.word(tag);
  }

  word(word: number): void {
    const low = Math.imul(this.low ^ word, 0x01000193);
    const high = Math.imul(this.high + word, 0x85ebca6b);
    this.low = low ^ (low >>> 15);
    this.high = high ^ (high >>> 13);
  }

  text(text: string): void {
    this.word(text.length);
    for (let i = 0; i < text.length; i++) this.word(text.charCodeAt(i));
  }

  /** Any safe integer; null differs from every number. */
  number(value: number | null): void {
    if (value === null) {
      this.word(0x5bd1e995);
      return;
    }
    this.word(value | 0);
    this.word(Math.floor(value / 0x1_0000_0000) | 0);
  }

  texts(texts: readonly string[]): void {
    this.word(texts.length);
    for (const text of texts) this.text(text);
  }

  end(): void {
    for (let round = 0; round < 3; round++) this.word(this.low ^ this.high);
  }
}

export type HashLanes = { readonly low: number; readonly high: number };

const hasher = new RecordHasher();

/**
 * Words that every record carries are hashed, and written in snapshots, as numbers: they are most
 * of its letters. A number never changes its meaning.
 */
export const STATE_NUMBERS: Readonly<Record<JobState | AttemptState, number>> = {
  pending: 1,
  assigned: 2,
  running: 3,
  completed: 4,
  failed: 5,
  cancelled: 6,
  starting: 7,
  exited: 8,
  declined: 9,
  lost: 10,
};

export const REASON_NUMBERS: Readonly<Record<JobReason, number>> = {
  "": 0,
  queued: 1,
  backoff: 2,
  cancelling: 3,
  "exit-code": 4,
  signal: 5,
  timeout: 6,
  "start-timeout": 7,
  "oom-killed": 8,
  killed: 9,
  "output-limit": 10,
  "not-started": 11,
  "no-docker": 12,
  "no-image": 13,
  "node-lost": 14,
  "agent-fault": 15,
  "lost-too-often": 16,
};

export const CAUSE_NUMBERS: Readonly<Record<AttemptCause, number>> = {
  first: 1,
  retry: 2,
  "node-lost": 3,
  drain: 4,
  declined: 5,
  "agent-fault": 6,
};

/** The returned lanes are overwritten by the next call. */
export function hashJob(job: Job & { readonly spec: HashLanes }): HashLanes {
  hasher.begin(1);
  hasher.text(job.id);
  hasher.word(job.spec.low);
  hasher.word(job.spec.high);
  hasher.word(STATE_NUMBERS[job.state]);
  hasher.word(REASON_NUMBERS[job.reason]);
  hasher.number(job.submittedAt);
  hasher.number(job.submittedIndex);
  hasher.number(job.updatedIndex);
  hasher.text(job.principal);
  if (job.run !== null) feedRun(job.run);
  hasher.end();
  return hasher;
}

function feedRun(run: JobRun): void {
  hasher.number(run.attempt);
  hasher.text(run.nodeId ?? "");
  hasher.number(run.startedAt);
  hasher.number(run.finishedAt);
  hasher.number(run.exitCode);
  hasher.text(run.signal);
  hasher.number(run.failures);
  hasher.number(run.losses);
  hasher.number(run.notBefore);
  hasher.word(CAUSE_NUMBERS[run.cause]);
  hasher.number(run.cancelRequestedAt);
  hasher.text(run.detail);
}

/** The returned lanes are overwritten by the next call. */
export function hashAttempt(attempt: Attempt): HashLanes {
  hasher.begin(2);
  hasher.text(attempt.id);
  hasher.text(attempt.nodeId);
  hasher.number(attempt.fence);
  hasher.word(STATE_NUMBERS[attempt.state]);
  hasher.word(CAUSE_NUMBERS[attempt.cause]);
  hasher.number(attempt.assignedAt);
  hasher.number(attempt.startedAt);
  hasher.number(attempt.finishedAt);
  hasher.text(attempt.end ?? "");
  hasher.number(attempt.exitCode);
  hasher.text(attempt.signal);
  hasher.text(attempt.detail);
  hasher.number(attempt.stdoutBytes);
  hasher.number(attempt.stderrBytes);
  hasher.word(attempt.outputAtLeast ? 1 : 0);
  hasher.text(attempt.driver);
  hasher.number(attempt.peakMemoryBytes);
  hasher.end();
  return hasher;
}

/** The returned lanes are overwritten by the next call. */
export function hashNode(node: NodeRecord): HashLanes {
  hasher.begin(3);
  hasher.text(node.id);
  hasher.number(node.peerId);
  hasher.text(node.seat);
  hasher.text(node.storeId);
  hasher.texts(node.roles);
  hasher.text(node.rpcAddress);
  hasher.text(node.httpAddress);
  hasher.text(node.liveness);
  hasher.number(node.cpuMillis);
  hasher.number(node.memoryBytes);
  hasher.number(node.slots);
  hasher.texts(node.drivers);
  for (const key of Object.keys(node.labels).sort()) hasher.texts([key, node.labels[key] ?? ""]);
  hasher.number(node.featureLevel);
  hasher.text(node.version);
  hasher.word(node.registered ? 1 : 0);
  hasher.number(node.drain === null ? null : node.drain.startedAt);
  if (node.drain !== null) {
    hasher.number(node.drain.deadlineAt);
    hasher.texts([node.drain.message, node.drain.principal]);
  }
  hasher.end();
  return hasher;
}

/** The returned lanes are overwritten by the next call. */
export function hashJoinToken(token: JoinToken): HashLanes {
  hasher.begin(7);
  hasher.texts([token.id, token.secretHash, token.role, token.principal]);
  hasher.number(token.createdAt);
  hasher.number(token.expiresAt);
  hasher.number(token.usesLeft);
  hasher.word(token.revoked ? 1 : 0);
  hasher.end();
  return hasher;
}

/** The returned lanes are overwritten by the next call. */
export function hashFormerNode(node: FormerNode): HashLanes {
  hasher.begin(8);
  hasher.texts([node.id, node.principal]);
  hasher.number(node.peerId);
  hasher.number(node.removedAt);
  hasher.end();
  return hasher;
}

/** What belongs to no record: the level, the replicated time, the next peer id. */
export function hashScalars(scalars: {
  readonly clusterId: string;
  readonly featureLevel: number;
  readonly appliedAt: number;
  readonly nextPeerId: number;
}): HashLanes {
  hasher.begin(4);
  hasher.text(scalars.clusterId);
  hasher.number(scalars.featureLevel);
  hasher.number(scalars.appliedAt);
  hasher.number(scalars.nextPeerId);
  hasher.end();
  return hasher;
}

/** The returned lanes are overwritten by the next call. */
export function hashBytes(bytes: Uint8Array): HashLanes {
  hasher.begin(5);
  hasher.word(bytes.length);
  for (let i = 0; i < bytes.length; i += 4) hasher.word(fourBytes(bytes, i));
  hasher.end();
  return hasher;
}

/** Zeros beyond the end; the length is hashed as well. */
const fourBytes = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) |
  ((bytes[at + 1] ?? 0) << 8) |
  ((bytes[at + 2] ?? 0) << 16) |
  ((bytes[at + 3] ?? 0) << 24);

/** A uniform number in [0, 1) that every replica derives alike from `text`. */
export function fractionOf(text: string): number {
  hasher.begin(6);
  hasher.text(text);
  hasher.end();
  return (hasher.high >>> 0) / 0x1_0000_0000;
}

export const hexOf = (lanes: HashLanes): string =>
  (lanes.high >>> 0).toString(16).padStart(8, "0") +
  (lanes.low >>> 0).toString(16).padStart(8, "0");
