import type { CancelJobRequest, CancelJobResponse } from "../../../proto/gen/nl/v1/jobs.ts";
import { JobsService } from "../../../proto/gen/nl/v1/jobs.ts";
import type { NlError } from "../../lib/error-code.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { type Caller, refuseJob } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { unknownJob } from "../refusals.ts";
import { proposeOne } from "./propose.ts";
import { readView } from "./read.ts";
import { resolveJob } from "./resolve-job.ts";

/** Runs at the leader. Repeating it is safe: an acked cancel stays as it is. */
export async function cancelJob(
  context: ApiContext,
  caller: Caller,
  request: CancelJobRequest,
): Promise<Result<CancelJobResponse, NlError>> {
  const reading = await readView(context, caller, false);
  if (!reading.ok) return reading;
  const found = resolveJob(reading.value.view, request.jobId);
  if (!found.ok) return found;
  const { id } = found.value;
  const refusal = refuseJob(caller, JobsService.cancelJob.path, found.value);
  if (refusal !== null) return err(refusal);

  const cancelled = await proposeOne(context, caller, {
    body: { kind: "cancel-job", jobId: id },
    subject: `the cancellation of job ${id}`,
  });
  if (!cancelled.ok) return cancelled;
  const job = context.replica.view.jobs.get(id);
  if (job === undefined) return err(unknownJob(id));
  return ok({ jobId: id, state: job.state, index: cancelled.value.index });
}
