import type {
  SubmitJobResponse,
  SubmitJobsResponse,
  SubmitOutcome,
} from "../../../proto/gen/nl/v1/jobs.ts";
import { assert } from "../../lib/assert.ts";
import type { NlError } from "../../lib/error-code.ts";
import { isJobId, type JobId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Applied } from "../../replica/replica.ts";
import type { Outcome, SubmittedJob } from "../../state/command.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import type { Submission } from "../messages/submission.ts";
import { overloaded, proposeError, refusalError, type Unproposed } from "../refusals.ts";
import { admitSpec } from "./admit-spec.ts";
import { propose, proposeOne } from "./propose.ts";
import { notAnId } from "./resolve-job.ts";

/** A log entry holds 512 KiB (DESIGN §4, Limits); some of it is the command's own frame. */
export const ENTRY_SPEC_BYTES_MAX = 500 * 1024;
/** Id, tags and lengths of one job in a command. */
export const JOB_FRAME_BYTES = 32;
/** Applying one entry must stay well below the 5 ms that a turn may spend on it. */
export const ENTRY_JOBS_MAX = 1_024;

export async function submitJob(
  context: ApiContext,
  caller: Caller,
  request: Submission,
): Promise<Result<SubmitJobResponse, NlError>> {
  const admitted = admitJob(request);
  if (!admitted.ok) return admitted;
  const { jobId } = admitted.value;
  const submitted = await proposeOne(context, caller, {
    body: { kind: "submit-jobs", jobs: [admitted.value] },
    subject: `the submission of job ${jobId}`,
  });
  return submitted.ok ? ok({ jobId, ...submitted.value }) : submitted;
}

/** Many jobs in few entries; each job is answered on its own, in the order of the request. */
export async function submitJobs(
  context: ApiContext,
  caller: Caller,
  jobs: readonly Submission[],
): Promise<Result<SubmitJobsResponse, NlError>> {
  if (!context.replica.hasRoom()) return err(overloaded());
  const outcomes: SubmitOutcome[] = new Array(jobs.length);
  const entries = cutIntoEntries(jobs, outcomes);
  await Promise.all(
    entries.map(async (entry) => {
      const applied = await submitEntry(context, caller, entry);
      entry.forEach((slot, i) => {
        outcomes[slot.position] = outcomeMessage(slot.job, applied, i);
      });
    }),
  );
  return ok({ outcomes });
}

/** A job of a batch, and where its answer belongs. */
type Slot = { readonly position: number; readonly job: SubmittedJob };

/** Groups the admissible jobs; the others get their outcome at once. */
function cutIntoEntries(
  jobs: readonly Submission[],
  outcomes: SubmitOutcome[],
): readonly (readonly Slot[])[] {
  const entries: Slot[][] = [];
  let entry: Slot[] = [];
  let room = 0;
  jobs.forEach((request, position) => {
    const admitted = admitJob(request);
    if (!admitted.ok) {
      outcomes[position] = refusedOutcome(request.jobId, admitted.error);
      return;
    }
    const bytes = admitted.value.spec.length + JOB_FRAME_BYTES;
    if (bytes > room || entry.length >= ENTRY_JOBS_MAX) {
      entry = [];
      entries.push(entry);
      room = ENTRY_SPEC_BYTES_MAX;
    }
    entry.push({ position, job: admitted.value });
    room -= bytes;
  });
  return entries;
}

/**
 * Proposes one entry of a batch, or of a stream. It waits for room instead of being refused: the
 * first part of the batch may be in the log already.
 */
export async function submitEntry(
  context: ApiContext,
  caller: Caller,
  entry: readonly { readonly job: SubmittedJob }[],
): Promise<Result<Applied, Unproposed>> {
  const jobs = entry.map((slot) => slot.job);
  for (;;) {
    const applied = await propose(context, caller, { kind: "submit-jobs", jobs });
    const refused = !applied.ok && applied.error.kind === "overloaded";
    if (!refused || !(await roomBefore(context, caller.deadlineMillis))) return applied;
  }
}

/** False when there was no room until the deadline, or nobody waits for the answer any more. */
function roomBefore(context: ApiContext, deadlineMillis: number): Promise<boolean> {
  const { clock, timers } = context.platform;
  const left = deadlineMillis - clock.monotonicMillis();
  if (left <= 0 || context.stopping.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const cancel = timers.after(left, () => resolve(false));
    context.replica.whenRoom(() => {
      cancel();
      resolve(true);
    });
  });
}

/** Checks what a client sent and brings the spec into its canonical bytes. */
export function admitJob(request: Submission): Result<SubmittedJob, NlError> {
  const { jobId } = request;
  if (!isJobId(jobId)) return err(notAnId());
  const spec = admitSpec(request.spec);
  return spec.ok ? ok({ jobId, spec: spec.value }) : spec;
}

/** The answer to the `i`-th job of an entry. */
export function outcomeMessage(
  job: SubmittedJob,
  applied: Result<Applied, Unproposed>,
  i: number,
): SubmitOutcome {
  if (!applied.ok) {
    const error = proposeError(applied.error, `the submission of job ${job.jobId}`);
    return refusedOutcome(job.jobId, error);
  }
  const outcome = applied.value.outcomes[i];
  assert(outcome !== undefined, "every submitted job has an outcome");
  return answered(job.jobId, outcome);
}

function answered(jobId: JobId, outcome: Outcome): SubmitOutcome {
  if (outcome.kind === "refused") return refusedOutcome(jobId, refusalError(outcome.refusal));
  return { jobId, index: outcome.index, existed: outcome.existed, failure: undefined };
}

export const refusedOutcome = (jobId: string, failure: NlError): SubmitOutcome => ({
  jobId,
  index: 0,
  existed: false,
  failure: { ...failure },
});
