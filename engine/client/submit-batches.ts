import {
  JobsService,
  type SubmitJobRequest,
  type SubmitOutcome,
} from "../../proto/gen/nl/v1/jobs.ts";
import type { NlError } from "../lib/error-code.ts";
import { ok, type Result } from "../lib/result.ts";
import { mayPass, outcomeError } from "./call-error.ts";
import type { Submission } from "./client.ts";
import { pause } from "./pause.ts";
import { specMessage } from "./spec-message.ts";
import { type UnaryCalls, WRITE } from "./unary-calls.ts";

/** Well below the 4 MiB of a batch. */
const BATCH_BYTES_MAX = 2 * 1024 * 1024;
const BATCH_JOBS_MAX = 10_000;
/** Rounds for jobs that were refused without effect, or whose fate is not known. */
const ROUNDS_MAX = 10;
const ROUND_PAUSE_MILLIS = 200;

/** Any number of submissions in as many calls as it takes; outcomes in the same order. */
export async function submitBatches(
  calls: UnaryCalls,
  submissions: readonly Submission[],
): Promise<Result<readonly SubmitOutcome[], NlError>> {
  const requests = submissions.map(({ jobId, spec }) => ({ jobId, spec: specMessage(spec) }));
  const outcomes: SubmitOutcome[] = new Array(requests.length);
  let open = requests.map((_, i) => i);
  for (let round = 0; open.length > 0 && round < ROUNDS_MAX; round++) {
    if (round > 0) await pause(ROUND_PAUSE_MILLIS, null);
    for (const positions of cut(requests, open)) {
      const jobs = positions.map((i) => requests[i] as SubmitJobRequest);
      const answer = await calls.call(JobsService.submitJobs, { jobs }, WRITE);
      if (!answer.ok) return answer;
      positions.forEach((position, i) => {
        outcomes[position] = answer.value.outcomes[i] as SubmitOutcome;
      });
    }
    open = open.filter((i) => isOpen(outcomes[i]));
  }
  return ok(outcomes);
}

/** Repeating such a job with its id is safe, and may end otherwise. */
const isOpen = (outcome: SubmitOutcome | undefined): boolean =>
  outcome?.failure !== undefined && mayPass(outcomeError(outcome.failure));

function cut(
  requests: readonly SubmitJobRequest[],
  positions: readonly number[],
): readonly (readonly number[])[] {
  const batches: number[][] = [];
  let batch: number[] = [];
  let room = 0;
  for (const position of positions) {
    const request = requests[position];
    if (request === undefined) continue;
    const bytes = JobsService.submitJob.requestSerialize(request).length + 8;
    if (bytes > room || batch.length >= BATCH_JOBS_MAX) {
      batch = [];
      batches.push(batch);
      room = BATCH_BYTES_MAX;
    }
    batch.push(position);
    room -= bytes;
  }
  return batches;
}
