import { BinaryWriter } from "@bufbuild/protobuf/wire";
import { JobsService, SubmitJobRequest } from "../../proto/gen/nl/v1/jobs.ts";
import type { JobSpec as SpecMessage } from "../../proto/gen/nl/v1/spec.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Submission } from "./client.ts";

/**
 * A submission is encoded once, whatever carries it and however often it is repeated: alone, in a
 * batch (`SubmitJobsRequest`) or on a stream (`SubmitStreamRequest`), which hold it as field bytes.
 */
export function submissionBytes({ jobId, spec }: Submission): Result<Uint8Array, NlError> {
  try {
    return ok(SubmitJobRequest.encode({ jobId, spec: specMessage(spec) }).finish());
  } catch (error) {
    // A number that no message can carry: negative, broken, too large.
    return err(nlError("invalid_spec", `the spec cannot be sent: ${String(error)}`));
  }
}

const JOBS_IN_BATCH = 10;
const SEQUENCE_IN_STREAM = 8;
const JOBS_IN_STREAM = 18;

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

type Batch = readonly Uint8Array[];

export const SUBMIT_JOB = { ...JobsService.submitJob, requestSerialize: asBuffer };

export const SUBMIT_JOBS = {
  ...JobsService.submitJobs,
  requestSerialize: (jobs: Batch): Buffer => {
    const writer = new BinaryWriter();
    for (const job of jobs) writer.uint32(JOBS_IN_BATCH).bytes(job);
    return asBuffer(writer.finish());
  },
};

export const SUBMIT_STREAM = {
  ...JobsService.submitStream,
  requestSerialize: (request: { readonly sequence: number; readonly jobs: Batch }): Buffer => {
    const writer = new BinaryWriter();
    writer.uint32(SEQUENCE_IN_STREAM).uint64(request.sequence);
    for (const job of request.jobs) writer.uint32(JOBS_IN_STREAM).bytes(job);
    return asBuffer(writer.finish());
  },
};

/** The node that accepts it brings it into its canonical form. */
const specMessage = (spec: JobSpec): SpecMessage => ({
  name: spec.name,
  command: [...spec.command],
  image: spec.image,
  driver: spec.driver,
  env: spec.env,
  cpuMillis: spec.resources.cpuMillis,
  memoryBytes: spec.resources.memoryBytes,
  pids: spec.resources.pids,
  timeoutMillis: spec.timeoutMillis,
  startTimeoutMillis: spec.startTimeoutMillis,
  killGraceMillis: spec.killGraceMillis,
  retries: {
    ...spec.retries,
    onExit: [...spec.retries.onExit],
    notOnExit: [...spec.retries.notOnExit],
  },
  onLost: spec.onLost,
  once: spec.once,
  priority: spec.priority,
  labels: spec.labels,
  outputKeepBytes: spec.outputKeepBytes,
});
