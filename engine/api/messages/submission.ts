import { BinaryReader, BinaryWriter } from "@bufbuild/protobuf/wire";

/**
 * A submission as it travels: the spec stays bytes, because it is checked and kept as bytes, and
 * because the same spec comes a thousand times. Reads and writes what the generated codec of
 * `SubmitJobRequest` does (a test compares them).
 */
export type Submission = { readonly jobId: string; readonly spec: Uint8Array };

/** Field 1 (`job_id`, or a batch's `jobs`), field 2 (`spec`, or a stream's `jobs`): tag numbers. */
const FIELD_1_BYTES = 10;
const FIELD_1_NUMBER = 8;
const FIELD_2_BYTES = 18;

/** In one batch, and in one message of a stream: each of them costs memory and an answer. */
export const SUBMISSIONS_MAX = 50_000;
const STREAM_JOBS_MAX = 4_096;

const NO_BYTES = new Uint8Array(0);

/** `SubmitJobRequest`. Throws when the bytes are no message. */
export const readSubmission = (bytes: Uint8Array): Submission => {
  const reader = new BinaryReader(bytes);
  return readFields(reader, reader.len);
};

/** `SubmitJobsRequest`. */
export function readSubmissions(bytes: Uint8Array): readonly Submission[] {
  const submissions: Submission[] = [];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === FIELD_1_BYTES) pushWithin(SUBMISSIONS_MAX, submissions, reader);
    else reader.skip(tag & 7);
  }
  return submissions;
}

/** `SubmitStreamRequest`. */
export function readStreamRequest(bytes: Uint8Array): {
  readonly sequence: number;
  readonly jobs: readonly Submission[];
} {
  const jobs: Submission[] = [];
  let sequence = 0;
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const tag = reader.uint32();
    if (tag === FIELD_1_NUMBER) sequence = Number(reader.uint64());
    else if (tag === FIELD_2_BYTES) pushWithin(STREAM_JOBS_MAX, jobs, reader);
    else reader.skip(tag & 7);
  }
  return { sequence, jobs };
}

/** `SubmitJobsRequest` again, to send a part of a stream on to the leader. */
export function writeSubmissions(submissions: Iterable<Submission>): Buffer {
  const writer = new BinaryWriter();
  for (const { jobId, spec } of submissions) {
    writer.uint32(FIELD_1_BYTES).fork();
    writer.uint32(FIELD_1_BYTES).string(jobId);
    writer.uint32(FIELD_2_BYTES).bytes(spec);
    writer.join();
  }
  return Buffer.from(writer.finish());
}

function pushWithin(limit: number, submissions: Submission[], reader: BinaryReader): void {
  if (submissions.length >= limit) throw new RangeError(`at most ${limit} jobs are taken at once`);
  submissions.push(readNested(reader));
}

function readNested(reader: BinaryReader): Submission {
  const length = reader.uint32();
  const end = reader.pos + length;
  if (end > reader.len) throw new RangeError("a submission ends before its length");
  return readFields(reader, end);
}

function readFields(reader: BinaryReader, end: number): Submission {
  let jobId = "";
  let spec: Uint8Array = NO_BYTES;
  while (reader.pos < end) {
    const tag = reader.uint32();
    if (tag === FIELD_1_BYTES) jobId = reader.string();
    else if (tag === FIELD_2_BYTES) spec = reader.bytes();
    else reader.skip(tag & 7);
  }
  if (reader.pos !== end) throw new RangeError("a submission is longer than its length");
  return { jobId, spec };
}
