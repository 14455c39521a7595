import type { Brand } from "./brand.ts";

/** A machine's name in the cluster, for example `n1`. Never reused after removal. */
export type NodeId = Brand<string, "NodeId">;

/** A node's number inside Raft: 1 … 2^53-1, 0 = nobody. The member table maps it to a NodeId. */
export type PeerId = Brand<number, "PeerId">;

/** 12 base32 characters, minted by the client: the idempotency key of a submission. */
export type JobId = Brand<string, "JobId">;

/** `<job id>.<attempt number>`: also the name of the task, so a second start is refused. */
export type AttemptId = Brand<string, "AttemptId">;

/** Raft's logical clock: grows with every election. Starts at 0, "no term yet". */
export type Term = Brand<number, "Term">;

/** Position of an entry in the Raft log. Starts at 1; 0 means "before the first entry". */
export type Index = Brand<number, "Index">;

/** Wall-clock milliseconds since the Unix epoch. In the log: as stamped by the leader. */
export type UnixMillis = Brand<number, "UnixMillis">;

export const NOBODY = 0 as PeerId;

export const following = <N extends Term | Index>(position: N): N => (position + 1) as N;

export const attemptId = (jobId: JobId, attemptNumber: number): AttemptId =>
  `${jobId}.${attemptNumber}` as AttemptId;

/** Splits an attempt id into its job and its number. */
export function parseAttemptId(id: AttemptId): { readonly jobId: JobId; readonly number: number } {
  const dot = id.lastIndexOf(".");
  return { jobId: id.slice(0, dot) as JobId, number: Number(id.slice(dot + 1)) };
}

const BASE32 = "0123456789abcdefghjkmnpqrstvwxyz";
const JOB_ID_LENGTH = 12;
const JOB_ID = /^[0-9a-hjkmnp-tv-z]{12}$/;

/** Makes a job id of 60 random bits; `below(n)` gives a uniform integer in [0, n). */
export function mintJobId(below: (n: number) => number): JobId {
  let id = "";
  for (let i = 0; i < JOB_ID_LENGTH; i++) id += BASE32[below(BASE32.length)];
  return id as JobId;
}

export const isJobId = (text: string): text is JobId => JOB_ID.test(text);
