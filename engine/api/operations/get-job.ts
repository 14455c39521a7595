import type { GetJobRequest, GetJobResponse } from "../../../proto/gen/nl/v1/jobs.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { JobId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Job } from "../../state/cluster-state.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { jobMessage } from "../messages/job-message.ts";
import { draining, overloaded } from "../refusals.ts";
import { type Reading, readView } from "./read.ts";
import { resolveJob } from "./resolve-job.ts";

/** A wait is answered after this time at the latest, from a fresh read: the client asks again. */
const WAIT_MILLIS_MAX = 30_000;
/** Calls that may wait for jobs at the same time. */
const WAITERS_MAX = 10_000;

export async function getJob(
  context: ApiContext,
  caller: Caller,
  request: GetJobRequest,
): Promise<Result<GetJobResponse, NlError>> {
  const reading = await readView(context, caller, request.stale);
  if (!reading.ok) return reading;
  const job = resolveJob(reading.value.view, request.jobId);
  return job.ok ? ok(answer(context, job.value, reading.value)) : job;
}

/** Answers when the job is over, or, when that takes too long, with the job as it is then. */
export async function waitJob(
  context: ApiContext,
  caller: Caller,
  request: GetJobRequest,
): Promise<Result<GetJobResponse, NlError>> {
  const first = await getJob(context, caller, request);
  const jobId = first.ok ? (first.value.job?.id as JobId | undefined) : undefined;
  if (jobId === undefined) return first;
  if (context.jobChanges.size >= WAITERS_MAX) return err(overloaded());
  await waitUntilOver(context, caller, jobId);
  if (context.stopping.aborted) return err(draining(context.nodeId));
  if (caller.signal?.aborted === true) return err(gaveUp(jobId));
  return answerNow(context, caller, jobId);
}

/** From the local state when it says that the job is over: that never changes. Else read afresh. */
async function answerNow(
  context: ApiContext,
  caller: Caller,
  jobId: JobId,
): Promise<Result<GetJobResponse, NlError>> {
  const job = context.replica.view.jobs.get(jobId);
  if (job !== undefined && isOver(job)) {
    return ok(answer(context, job, { view: context.replica.view, ageMillis: 0 }));
  }
  return getJob(context, caller, { jobId, stale: false });
}

function waitUntilOver(context: ApiContext, caller: Caller, jobId: JobId): Promise<void> {
  const { clock, timers } = context.platform;
  const left = Math.min(WAIT_MILLIS_MAX, caller.deadlineMillis - clock.monotonicMillis());
  return new Promise((resolve) => {
    const check = (): void => {
      const job = context.replica.view.jobs.get(jobId);
      if (job === undefined || isOver(job)) finish();
    };
    const finish = (): void => {
      cancelTimer();
      stopListening();
      context.stopping.removeEventListener("abort", finish);
      caller.signal?.removeEventListener("abort", finish);
      resolve();
    };
    const cancelTimer = timers.after(Math.max(left, 0), finish);
    const stopListening = context.jobChanges.listen(jobId, check);
    context.stopping.addEventListener("abort", finish);
    caller.signal?.addEventListener("abort", finish);
    check();
  });
}

export const isOver = (job: Job): boolean =>
  job.state === "completed" || job.state === "failed" || job.state === "cancelled";

function answer(context: ApiContext, job: Job, reading: Reading): GetJobResponse {
  const waitingFor = job.state === "pending" ? context.duties.waitingFor(job.id) : "";
  return {
    job: jobMessage(job, reading.view, waitingFor),
    index: reading.view.appliedIndex,
    ageMillis: reading.ageMillis,
  };
}

const gaveUp = (jobId: JobId): NlError =>
  nlError("timed_out", `job ${jobId} is not over`, "wait longer, or see nl inspect");
