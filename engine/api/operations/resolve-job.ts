import { type NlError, nlError } from "../../lib/error-code.ts";
import { isJobId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { ClusterView, Job } from "../../state/cluster-state.ts";
import { unknownJob } from "../refusals.ts";

/** Base32 without i, l, o, u: anything else, broken UTF-8 included, is no id. */
const PREFIX = /^[0-9a-hjkmnp-tv-z]{4,12}$/;
const CANDIDATES_MAX = 5;

/** The job with this id, or the only one whose id begins so. */
export function resolveJob(view: ClusterView, text: string): Result<Job, NlError> {
  if (!PREFIX.test(text)) return err(notAnId());
  if (isJobId(text)) {
    const job = view.jobs.get(text);
    return job === undefined ? err(unknownJob(text)) : ok(job);
  }
  const found = view.findByPrefix(text, CANDIDATES_MAX + 1);
  const [job] = found;
  if (job === undefined) return err(unknownJob(text));
  return found.length === 1 ? ok(job) : err(ambiguous(text, found));
}

export const notAnId = (): NlError =>
  nlError(
    "invalid_argument",
    "a job id is 12 characters of 0-9 and a-z without i, l, o and u",
    "give the whole id, or at least its first four characters",
  );

function ambiguous(text: string, found: readonly Job[]): NlError {
  const ids = found.slice(0, CANDIDATES_MAX).map((job) => job.id);
  const more = found.length > CANDIDATES_MAX ? ", …" : "";
  return nlError(
    "ambiguous_id",
    `more than one job id begins with ${text}: ${ids.join(", ")}${more}`,
    "give more characters",
  );
}
