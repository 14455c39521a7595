import type { ListJobsRequest, ListJobsResponse } from "../../../proto/gen/nl/v1/jobs.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { JobId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { ClusterView, Job, JobState } from "../../state/cluster-state.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { jobListMessage, specMessage } from "../messages/job-message.ts";
import { readView } from "./read.ts";

const PAGE_DEFAULT = 100;
const PAGE_MAX = 1_000;
/** A page is cut here, so that big specs cannot make a huge message. */
const PAGE_BYTES_MAX = 1024 * 1024;
const ROW_BYTES = 256;
/** Rows looked at in one call: a filter that matches little may give a short page and a cursor. */
const SCAN_MAX = 20_000;

const STATES: ReadonlySet<string> = new Set<JobState>([
  "pending",
  "assigned",
  "running",
  "completed",
  "failed",
  "cancelled",
]);

/** Newest first. A page without `nextCursor` is the last one, however short the others were. */
export async function listJobs(
  context: ApiContext,
  caller: Caller,
  request: ListJobsRequest,
): Promise<Result<ListJobsResponse, NlError>> {
  const unknown = request.states.find((state) => !STATES.has(state));
  if (unknown !== undefined) return err(unknownState());
  const cursor = parseCursor(request.cursor);
  if (!cursor.ok) return cursor;
  const reading = await readView(context, caller, request.stale);
  if (!reading.ok) return reading;
  const { view, ageMillis } = reading.value;
  const page = collect(view, request, cursor.value);
  return ok({
    jobs: page.jobs.map(jobListMessage),
    nextCursor: page.nextCursor,
    total: countOf(view, request),
    index: view.appliedIndex,
    ageMillis,
  });
}

/** Position of the last job of the page before: submission index, then id within that entry. */
type Cursor = { readonly index: number; readonly id: JobId };

function collect(
  view: ClusterView,
  request: ListJobsRequest,
  cursor: Cursor | null,
): { readonly jobs: readonly Job[]; readonly nextCursor: string } {
  const limit = Math.min(request.limit || PAGE_DEFAULT, PAGE_MAX);
  const matches = matcher(request);
  const jobs: Job[] = [];
  let bytes = 0;
  let scanned = 0;
  let last: Job | null = null;
  for (const job of after(view, cursor)) {
    const isFull = jobs.length >= limit || bytes >= PAGE_BYTES_MAX || scanned >= SCAN_MAX;
    if (isFull && last !== null) return { jobs, nextCursor: formatCursor(last) };
    scanned += 1;
    last = job;
    if (!matches(job)) continue;
    jobs.push(job);
    bytes += job.spec.bytes.length + ROW_BYTES;
  }
  return { jobs, nextCursor: "" };
}

/** The jobs older than the cursor; its own job may be gone by now. */
function* after(view: ClusterView, cursor: Cursor | null): IterableIterator<Job> {
  const isThere = cursor !== null && view.jobs.has(cursor.id);
  if (cursor === null || isThere) {
    yield* view.newestFirst(cursor?.id);
    return;
  }
  for (const job of view.newestFirst()) {
    if (job.submittedIndex <= cursor.index) yield job;
  }
}

function matcher(request: ListJobsRequest): (job: Job) => boolean {
  const states = request.states.length === 0 ? null : new Set(request.states);
  const { nodeId, name } = request;
  return (job) =>
    (states === null || states.has(job.state)) &&
    (nodeId === "" || job.run?.nodeId === nodeId) &&
    (name === "" || specMessage(job.spec).name === name);
}

/** All jobs in these states; with a filter that has no index: 0, "not counted". */
function countOf(view: ClusterView, request: ListJobsRequest): number {
  if (request.nodeId !== "" || request.name !== "") return 0;
  if (request.states.length === 0) return view.jobs.size;
  let total = 0;
  for (const state of new Set(request.states)) total += view.counts[state as JobState];
  return total;
}

const formatCursor = (job: Job): string => `${job.submittedIndex}.${job.id}`;

function parseCursor(text: string): Result<Cursor | null, NlError> {
  if (text === "") return ok(null);
  const [, index, id] = /^(\d{1,16})\.([0-9a-z]{12})$/.exec(text) ?? [];
  if (index === undefined || id === undefined) {
    return err(nlError("invalid_argument", "this is not a cursor", "use next_cursor as it came"));
  }
  return ok({ index: Number(index), id: id as JobId });
}

const unknownState = (): NlError =>
  nlError("invalid_argument", "states: unknown state", `one of ${[...STATES].join(", ")}`);
