import { type Job, JobsService } from "../../proto/gen/nl/v1/jobs.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { UnaryCalls } from "./unary-calls.ts";

/** A node answers after 30 s at the latest; the rest is for a slow one. */
const TRY_MILLIS = 40_000;
const OVER: ReadonlySet<string> = new Set(["completed", "failed", "cancelled"]);

/** Asks again until the job is over, through whichever node answers. */
export async function waitJob(
  calls: UnaryCalls,
  idOrPrefix: string,
  signal: AbortSignal,
): Promise<Result<Job, NlError>> {
  let jobId = idOrPrefix;
  while (!signal.aborted) {
    const answer = await calls.call(
      JobsService.waitJob,
      { jobId, stale: false },
      { kind: "read", tryMillis: TRY_MILLIS, signal },
    );
    if (!answer.ok) return answer;
    const { job } = answer.value;
    if (job === undefined) return err(nlError("internal", "the answer has no job", "nl version"));
    if (OVER.has(job.state)) return ok(job);
    // A prefix may stop being unique while the job runs.
    jobId = job.id;
  }
  return err(nlError("timed_out", `job ${jobId} is not over yet`, "wait longer: nl wait"));
}
