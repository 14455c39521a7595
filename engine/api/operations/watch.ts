import type { WatchRequest } from "../../../proto/gen/nl/v1/watch.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { JobId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { parseRevision, type Revision } from "../watch/revision.ts";
import type { WatchSink } from "../watch/subscriber.ts";
import type { WatchHub, WatchSession } from "../watch/watch-hub.ts";
import { readView } from "./read.ts";
import { resolveJob } from "./resolve-job.ts";

/** Begins a watch: hello, a snapshot or the changes since a revision, then deltas. */
export async function watch(
  context: ApiContext & { readonly hub: WatchHub },
  caller: Caller,
  call: { readonly request: WatchRequest; readonly sink: WatchSink },
): Promise<Result<WatchSession, NlError>> {
  const { request, sink } = call;
  const since = revisionOf(request.sinceRevision);
  if (!since.ok) return since;
  if (needsBarrier(context, request, since.value)) {
    // Without a leader the watch begins all the same, from what this node knows.
    await readView(context, caller, false);
  }
  const jobId = jobOf(context, request);
  if (!jobId.ok) return jobId;
  const { jobs, nodes, events, status, finishedLimit } = request;
  const filter = { jobs: jobs || jobId.value !== null, nodes, events, jobId: jobId.value };
  return context.hub.subscribe(
    { filter, wantsStatus: status, finishedLimit, since: since.value },
    sink,
  );
}

/** A job that was just submitted elsewhere, or a revision seen elsewhere, may not be here yet. */
function needsBarrier(context: ApiContext, request: WatchRequest, since: Revision | null): boolean {
  return request.jobId !== "" || (since?.index ?? 0) > context.replica.view.appliedIndex;
}

function jobOf(context: ApiContext, request: WatchRequest): Result<JobId | null, NlError> {
  if (request.jobId === "") return ok(null);
  const job = resolveJob(context.replica.view, request.jobId);
  return job.ok ? ok(job.value.id) : job;
}

function revisionOf(text: string): Result<Revision | null, NlError> {
  if (text === "") return ok(null);
  const revision = parseRevision(text);
  if (revision !== null) return ok(revision);
  return err(
    nlError("invalid_argument", "since_revision: not a revision", "use it as it came in a frame"),
  );
}
