import type { Attempt, Job, JobRun, NodeRecord } from "./cluster-state.ts";

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

/** The returned lanes are overwritten by the next call. */
export function hashJob(job: Job): HashLanes {
  hasher.begin(1);
  hasher.text(job.id);
  hasher.text(job.spec.hash);
  hasher.text(job.state);
  hasher.text(job.reason);
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
  hasher.text(run.cause);
  hasher.number(run.cancelRequestedAt);
  hasher.text(run.detail);
}

/** The returned lanes are overwritten by the next call. */
export function hashAttempt(attempt: Attempt): HashLanes {
  hasher.begin(2);
  hasher.text(attempt.id);
  hasher.text(attempt.nodeId);
  hasher.number(attempt.fence);
  hasher.text(attempt.state);
  hasher.text(attempt.cause);
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

/** What belongs to no record: the level and the replicated time. */
export function hashScalars(scalars: {
  readonly clusterId: string;
  readonly featureLevel: number;
  readonly appliedAt: number;
}): HashLanes {
  hasher.begin(4);
  hasher.text(scalars.clusterId);
  hasher.number(scalars.featureLevel);
  hasher.number(scalars.appliedAt);
  hasher.end();
  return hasher;
}

/** Sixteen hex digits for bytes, the same on every machine. */
export function hashBytes(bytes: Uint8Array): string {
  hasher.begin(5);
  hasher.word(bytes.length);
  for (let i = 0; i < bytes.length; i++) hasher.word(bytes[i] ?? 0);
  hasher.end();
  return hexOf(hasher);
}

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
