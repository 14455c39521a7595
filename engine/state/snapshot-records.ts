import { assert } from "../lib/assert.ts";
import {
  type AttemptId,
  attemptId,
  type Index,
  type JobId,
  type NodeId,
  type PeerId,
  type UnixMillis,
} from "../lib/ids.ts";
import type {
  Attempt,
  AttemptCause,
  AttemptEnd,
  AttemptState,
  DrainIntent,
  FormerNode,
  JobReason,
  JobRun,
  JobState,
  JoinToken,
  NodeRecord,
  NodeRole,
  Seat,
} from "./cluster-state.ts";
import { CAUSE_NUMBERS, REASON_NUMBERS, STATE_NUMBERS } from "./record-hash.ts";
import type { ByteReader, ByteWriter } from "./snapshot-bytes.ts";
import type { InternedSpec } from "./spec-table.ts";
import type { NewJob, StoredJob } from "./state-store.ts";

/**
 * The records of a snapshot, field by field: each `write` has its `read` right below. The layout is
 * that of the cluster's feature level (see README, Snapshots): a new field is written and read only
 * from the level on that every member knows.
 */

/** What belongs to no record: the first frame. */
export type SnapshotHead = {
  readonly featureLevel: number;
  readonly clusterId: string;
  readonly clusterName: string;
  readonly appliedIndex: Index;
  readonly appliedAt: UnixMillis;
  readonly nextPeerId: PeerId;
};

/** The last frame: what must have been read before it. */
export type SnapshotEnd = {
  readonly nodes: number;
  readonly joinTokens: number;
  readonly formerNodes: number;
  readonly jobs: number;
  readonly attempts: number;
  readonly stateHash: string;
};

/** What a record of the section `members` is. */
export const MEMBER_TAGS = { joinToken: 1, formerNode: 2 } as const;

/** What a record of the section `jobs` is: a spec comes before its jobs, an attempt after its job. */
export const JOB_TAGS = { spec: 1, job: 2, attempt: 3 } as const;

export function writeHead(writer: ByteWriter, head: SnapshotHead): void {
  writer.number(head.featureLevel);
  writer.text(head.clusterId);
  writer.text(head.clusterName);
  writer.number(head.appliedIndex);
  writer.number(head.appliedAt);
  writer.number(head.nextPeerId);
}

export const readHead = (reader: ByteReader): SnapshotHead => ({
  featureLevel: reader.number(),
  clusterId: reader.text(),
  clusterName: reader.text(),
  appliedIndex: reader.number() as Index,
  appliedAt: reader.number() as UnixMillis,
  nextPeerId: reader.number() as PeerId,
});

export function writeEnd(writer: ByteWriter, end: SnapshotEnd): void {
  writer.number(end.nodes);
  writer.number(end.joinTokens);
  writer.number(end.formerNodes);
  writer.number(end.jobs);
  writer.number(end.attempts);
  writer.text(end.stateHash);
}

export const readEnd = (reader: ByteReader): SnapshotEnd => ({
  nodes: reader.number(),
  joinTokens: reader.number(),
  formerNodes: reader.number(),
  jobs: reader.number(),
  attempts: reader.number(),
  stateHash: reader.text(),
});

export function writeNode(writer: ByteWriter, node: NodeRecord): void {
  writer.word(node.id);
  writer.number(node.peerId);
  writer.byte(SEAT_NUMBERS[node.seat]);
  writer.text(node.storeId);
  writeList(writer, node.roles);
  writer.text(node.rpcAddress);
  writer.text(node.httpAddress);
  writer.flag(node.liveness === "alive");
  writeDrain(writer, node.drain);
  writer.number(node.cpuMillis);
  writer.number(node.memoryBytes);
  writer.number(node.slots);
  writeList(writer, node.drivers);
  writeList(writer, Object.entries(node.labels).flat());
  writer.number(node.featureLevel);
  writer.word(node.version);
  writer.flag(node.registered);
}

export const readNode = (reader: ByteReader): NodeRecord => ({
  id: reader.word() as NodeId,
  peerId: reader.number() as PeerId,
  seat: wordOf(SEATS, reader),
  storeId: reader.text(),
  roles: readList(reader).map((role) => readRole(reader, role)),
  rpcAddress: reader.text(),
  httpAddress: reader.text(),
  liveness: reader.flag() ? "alive" : "lost",
  drain: readDrain(reader),
  cpuMillis: reader.number(),
  memoryBytes: reader.number(),
  slots: reader.number(),
  drivers: readList(reader),
  labels: readLabels(reader),
  featureLevel: reader.number(),
  version: reader.word(),
  registered: reader.flag(),
});

export function writeJoinToken(writer: ByteWriter, token: JoinToken): void {
  writer.text(token.id);
  writer.text(token.secretHash);
  writer.word(token.role);
  writer.number(token.createdAt);
  writer.number(token.expiresAt);
  writer.number(token.usesLeft);
  writer.flag(token.revoked);
  writer.word(token.principal);
}

export const readJoinToken = (reader: ByteReader): JoinToken => ({
  id: reader.text(),
  secretHash: reader.text(),
  role: readRole(reader, reader.word()),
  createdAt: reader.number() as UnixMillis,
  expiresAt: reader.number() as UnixMillis,
  usesLeft: reader.number(),
  revoked: reader.flag(),
  principal: reader.word(),
});

export function writeFormerNode(writer: ByteWriter, node: FormerNode): void {
  writer.word(node.id);
  writer.number(node.peerId);
  writer.number(node.removedAt);
  writer.word(node.principal);
}

export const readFormerNode = (reader: ByteReader): FormerNode => ({
  id: reader.word() as NodeId,
  peerId: reader.number() as PeerId,
  removedAt: reader.number() as UnixMillis,
  principal: reader.word(),
});

export function writeJob(writer: ByteWriter, job: StoredJob, spec: number): void {
  writer.text(job.id);
  writer.number(spec);
  writer.byte(STATE_NUMBERS[job.state]);
  writer.byte(REASON_NUMBERS[job.reason]);
  writer.number(job.submittedAt);
  writer.number(job.submittedIndex);
  writer.number(job.updatedIndex - job.submittedIndex);
  writer.word(job.principal);
  writer.flag(job.run !== null);
  if (job.run !== null) writeRun(writer, job.run);
}

/** `specOf` finds the spec that was written under a number. */
export function readJob(
  reader: ByteReader,
  specOf: (number: number) => InternedSpec | undefined,
): NewJob | null {
  const id = reader.text() as JobId;
  const spec = specOf(reader.number());
  const state = wordOf(JOB_STATES, reader);
  const reason = wordOf(REASONS, reader);
  const submittedAt = reader.number() as UnixMillis;
  const submittedIndex = reader.number() as Index;
  const updatedIndex = (submittedIndex + reader.number()) as Index;
  const principal = reader.word();
  const run = reader.flag() ? readRun(reader) : null;
  if (reader.isBroken || spec === undefined) return null;
  return { id, spec, state, reason, submittedAt, submittedIndex, updatedIndex, principal, run };
}

function writeRun(writer: ByteWriter, run: JobRun): void {
  writer.number(run.attempt);
  writer.word(run.nodeId ?? "");
  writer.optional(run.startedAt);
  writer.optional(run.finishedAt);
  writeExitCode(writer, run.exitCode);
  writer.word(run.signal);
  writer.number(run.failures);
  writer.number(run.losses);
  writer.optional(run.notBefore);
  writer.byte(CAUSE_NUMBERS[run.cause]);
  writer.optional(run.cancelRequestedAt);
  writer.text(run.detail);
}

const readRun = (reader: ByteReader): JobRun => ({
  attempt: reader.number(),
  nodeId: (reader.word() || null) as NodeId | null,
  startedAt: reader.optional() as UnixMillis | null,
  finishedAt: reader.optional() as UnixMillis | null,
  exitCode: readExitCode(reader),
  signal: reader.word(),
  failures: reader.number(),
  losses: reader.number(),
  notBefore: reader.optional() as UnixMillis | null,
  cause: wordOf(CAUSES, reader),
  cancelRequestedAt: reader.optional() as UnixMillis | null,
  detail: reader.text(),
});

/** Of the job that was written last. */
export function writeAttempt(writer: ByteWriter, attempt: Attempt): void {
  writer.number(attempt.number);
  writer.word(attempt.nodeId);
  writer.number(attempt.fence);
  writer.byte(STATE_NUMBERS[attempt.state]);
  writer.byte(CAUSE_NUMBERS[attempt.cause]);
  writer.number(attempt.assignedAt);
  writer.optional(attempt.startedAt);
  writer.optional(attempt.finishedAt);
  writer.byte(attempt.end === null ? 0 : END_NUMBERS[attempt.end]);
  writeExitCode(writer, attempt.exitCode);
  writer.word(attempt.signal);
  writer.text(attempt.detail);
  writer.number(attempt.stdoutBytes);
  writer.number(attempt.stderrBytes);
  writer.flag(attempt.outputAtLeast);
  writer.word(attempt.driver);
  writer.number(attempt.peakMemoryBytes);
}

export function readAttempt(reader: ByteReader, jobId: JobId): Attempt {
  const number = reader.number();
  const id: AttemptId = attemptId(jobId, number);
  return {
    id,
    jobId,
    number,
    nodeId: reader.word() as NodeId,
    fence: reader.number() as Index,
    state: wordOf(ATTEMPT_STATES, reader),
    cause: wordOf(CAUSES, reader),
    assignedAt: reader.number() as UnixMillis,
    startedAt: reader.optional() as UnixMillis | null,
    finishedAt: reader.optional() as UnixMillis | null,
    end: readEndWord(reader),
    exitCode: readExitCode(reader),
    signal: reader.word(),
    detail: reader.text(),
    stdoutBytes: reader.number(),
    stderrBytes: reader.number(),
    outputAtLeast: reader.flag(),
    driver: reader.word(),
    peakMemoryBytes: reader.number(),
  };
}

function writeDrain(writer: ByteWriter, drain: DrainIntent | null): void {
  writer.flag(drain !== null);
  if (drain === null) return;
  writer.number(drain.startedAt);
  writer.number(drain.deadlineAt);
  writer.text(drain.message);
  writer.word(drain.principal);
}

function readDrain(reader: ByteReader): DrainIntent | null {
  if (!reader.flag()) return null;
  return {
    startedAt: reader.number() as UnixMillis,
    deadlineAt: reader.number() as UnixMillis,
    message: reader.text(),
    principal: reader.word(),
  };
}

/** Exit codes may be negative, so the sign goes apart: 0 = none, 1 = not negative, 2 = negative. */
function writeExitCode(writer: ByteWriter, code: number | null): void {
  writer.byte(code === null ? 0 : code < 0 ? 2 : 1);
  if (code !== null) writer.number(Math.abs(code));
}

function readExitCode(reader: ByteReader): number | null {
  const sign = reader.byte();
  if (sign === 0) return null;
  return sign === 1 ? reader.number() : -reader.number();
}

function writeList(writer: ByteWriter, words: readonly string[]): void {
  writer.number(words.length);
  for (const word of words) writer.word(word);
}

function readList(reader: ByteReader): readonly string[] {
  const words: string[] = [];
  for (let left = reader.number(); left > 0 && !reader.isBroken; left--) words.push(reader.word());
  return words;
}

function readLabels(reader: ByteReader): Readonly<Record<string, string>> {
  const words = readList(reader);
  const pairs: [string, string][] = [];
  for (let i = 0; i + 1 < words.length; i += 2) pairs.push([words[i] ?? "", words[i + 1] ?? ""]);
  return Object.fromEntries(pairs);
}

function readRole(reader: ByteReader, role: string): NodeRole {
  if (role !== "server" && role !== "worker") reader.refuse();
  return role === "server" ? "server" : "worker";
}

/** As for the other words: a number never changes its meaning; 0 = not over. */
const END_NUMBERS: Readonly<Record<AttemptEnd, number>> = {
  exited: 1,
  signalled: 2,
  timeout: 3,
  "start-timeout": 4,
  "oom-killed": 5,
  cancelled: 6,
  "output-limit": 7,
  "not-started": 8,
  "no-docker": 9,
  "no-image": 10,
  "lease-lost": 11,
  drained: 12,
  "agent-fault": 13,
};

const SEAT_NUMBERS: Readonly<Record<Seat, number>> = { none: 0, voter: 1, learner: 2, leaving: 3 };

/** The words of a table by their numbers. */
type Words<Word extends string> = { readonly first: Word; readonly byNumber: readonly Word[] };

function wordsOf<Word extends string>(numbers: Readonly<Record<Word, number>>): Words<Word> {
  const words = Object.keys(numbers) as Word[];
  const [first] = words;
  assert(first !== undefined, "a table has words");
  const byNumber: Word[] = [];
  for (const word of words) byNumber[numbers[word]] = word;
  return { first, byNumber };
}

const { assigned, running, pending, completed, failed, cancelled, ...attemptOnly } = STATE_NUMBERS;
const JOB_STATES = wordsOf<JobState>({
  pending,
  assigned,
  running,
  completed,
  failed,
  cancelled,
});
const ATTEMPT_STATES = wordsOf<AttemptState>({ assigned, running, ...attemptOnly });
const REASONS = wordsOf<JobReason>(REASON_NUMBERS);
const CAUSES = wordsOf<AttemptCause>(CAUSE_NUMBERS);
const SEATS = wordsOf<Seat>(SEAT_NUMBERS);
const ENDS = wordsOf<AttemptEnd>(END_NUMBERS);

function wordOf<Word extends string>(words: Words<Word>, reader: ByteReader): Word {
  const word = words.byNumber[reader.byte()];
  if (word !== undefined) return word;
  reader.refuse();
  return words.first;
}

function readEndWord(reader: ByteReader): AttemptEnd | null {
  const number = reader.byte();
  const word = ENDS.byNumber[number];
  if (number !== 0 && word === undefined) reader.refuse();
  return word ?? null;
}
