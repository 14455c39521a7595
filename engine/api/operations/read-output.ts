import {
  type OutputChunk as ChunkMessage,
  JobsService,
  type ReadOutputRequest,
} from "../../../proto/gen/nl/v1/jobs.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { JobId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Attempt, ClusterView, Job } from "../../state/cluster-state.ts";
import { type Caller, refuseJob } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { draining } from "../refusals.ts";
import { isOver } from "./get-job.ts";
import { attemptOutput } from "./output-source.ts";
import { readView } from "./read.ts";
import { resolveJob } from "./resolve-job.ts";

type Chunks = AsyncGenerator<Result<ChunkMessage, NlError>>;

/** Where the reading of one job's output stands. */
type Cursor = {
  /** Read this attempt; 0 = the newest that has started. */
  attempt: number;
  /** True: a later attempt will do as well, because this one is read. */
  orLater: boolean;
  offset: number;
  tailBytes: number;
  /** Failures to reach the node that holds the output, in a row. */
  failures: number;
};

const RETRY_MILLIS = 1_000;
/** An attempt that is over and whose node cannot be reached is given up after so many tries. */
const RETRIES_MAX = 5;

/**
 * The output of a job wherever it ran, through any node. With `follow` it waits for an attempt that
 * has not started; with `untilJobOver` it goes on through the later attempts. The last result is a
 * chunk with `complete`, or an error.
 */
export async function* readOutput(
  context: ApiContext,
  caller: Caller & { readonly signal: AbortSignal },
  request: ReadOutputRequest,
): Chunks {
  const reading = await readView(context, caller, false);
  if (!reading.ok) return yield reading;
  const found = resolveJob(reading.value.view, request.jobId);
  if (!found.ok) return yield found;
  const refusal = refuseJob(caller, JobsService.readOutput.path, found.value);
  if (refusal !== null) return yield err(refusal);
  const signal = AbortSignal.any([caller.signal, context.stopping]);
  yield* readJob({ context, request, jobId: found.value.id, signal });
  if (context.stopping.aborted) yield err(draining(context.nodeId));
}

type Reading = {
  readonly context: ApiContext;
  readonly request: ReadOutputRequest;
  readonly jobId: JobId;
  readonly signal: AbortSignal;
};

async function* readJob(reading: Reading): Chunks {
  const { context, request, jobId, signal } = reading;
  const { attempt, offset, tailBytes } = request;
  const cursor: Cursor = { attempt, orLater: false, offset, tailBytes, failures: 0 };
  while (!signal.aborted) {
    const next = nextStep(context.replica.view, jobId, { cursor, request });
    switch (next.kind) {
      case "wait":
        await context.jobChanges.next(jobId, signal);
        break;
      case "end":
        return yield next.last;
      case "read":
        if ((yield* readAttempt(reading, next.attempt, cursor)) === "ended") return;
        break;
    }
  }
}

type Step =
  | { readonly kind: "wait" }
  | { readonly kind: "read"; readonly attempt: Attempt }
  | { readonly kind: "end"; readonly last: Result<ChunkMessage, NlError> };

/** Decides from the replicated state alone what to do next. */
function nextStep(
  view: ClusterView,
  jobId: JobId,
  at: { readonly cursor: Cursor; readonly request: ReadOutputRequest },
): Step {
  const { cursor, request } = at;
  const job = view.jobs.get(jobId);
  const attempt = chooseAttempt(view, jobId, cursor);
  if (attempt !== undefined && hasStarted(attempt)) return { kind: "read", attempt };
  const mayCome = job !== undefined && !isOver(job) && request.follow;
  const isPast = attempt !== undefined && isFinished(attempt) && !cursor.orLater;
  if (mayCome && !(isPast && cursor.attempt !== 0)) return { kind: "wait" };
  return { kind: "end", last: nothingThere(job, cursor) };
}

/** The wanted attempt; one that ended without ever starting has no output and is passed over. */
function chooseAttempt(view: ClusterView, jobId: JobId, cursor: Cursor): Attempt | undefined {
  const attempts = view.attemptsOf(jobId);
  if (cursor.attempt === 0) return attempts.findLast(hasStarted) ?? attempts.at(-1);
  if (!cursor.orLater) return attempts.find((one) => one.number === cursor.attempt);
  const later = attempts.filter((one) => one.number >= cursor.attempt);
  return later.find(hasStarted) ?? later.at(-1);
}

const hasStarted = (attempt: Attempt): boolean =>
  attempt.state === "running" || (isFinished(attempt) && attempt.startedAt !== null);

const isFinished = (attempt: Attempt): boolean =>
  attempt.state === "exited" || attempt.state === "declined" || attempt.state === "lost";

function nothingThere(job: Job | undefined, cursor: Cursor): Result<ChunkMessage, NlError> {
  const ran = job?.run?.attempt ?? 0;
  if (job !== undefined && cursor.attempt > ran && !cursor.orLater) {
    return err(
      nlError(
        "not_found",
        `job ${job.id} has no attempt ${cursor.attempt}: it has had ${ran}`,
        `nl inspect ${job.id} shows every attempt`,
      ),
    );
  }
  return ok(emptyChunk(cursor));
}

const emptyChunk = (cursor: Cursor): ChunkMessage => ({
  offset: cursor.offset,
  stream: 0,
  data: Buffer.alloc(0),
  skippedBytes: 0,
  at: 0,
  complete: true,
  attempt: cursor.attempt,
});

/** Sends what one attempt wrote. `ended`: the whole reading is over. */
async function* readAttempt(
  reading: Reading,
  attempt: Attempt,
  cursor: Cursor,
): AsyncGenerator<Result<ChunkMessage, NlError>, "ended" | "again"> {
  for await (const chunk of attemptOutput(reading.context, readFrom(reading, attempt, cursor))) {
    if (!chunk.ok) return yield* onFailure(reading, cursor, chunk.error);
    yield* shown(reading, chunk.value);
    advance(cursor, chunk.value);
    if (chunk.value.complete) return afterEnd(reading, cursor);
  }
  if (reading.signal.aborted) return "ended";
  // The source ended without its last chunk: what there was has been sent.
  yield* shown(reading, emptyChunk(cursor));
  return afterEnd(reading, cursor);
}

/** True: the end of an attempt is not the end of the reading. */
const goesOn = ({ request }: Reading): boolean => request.follow && request.untilJobOver;

function* shown(reading: Reading, chunk: ChunkMessage): Generator<Result<ChunkMessage, NlError>> {
  if (!(goesOn(reading) && chunk.complete)) yield ok(chunk);
  else if (chunk.data.length > 0) yield ok({ ...chunk, complete: false });
}

function afterEnd(reading: Reading, cursor: Cursor): "ended" | "again" {
  return goesOn(reading) ? goOnAfter(cursor) : "ended";
}

function readFrom(reading: Reading, attempt: Attempt, cursor: Cursor) {
  if (cursor.attempt !== 0 && cursor.attempt !== attempt.number) cursor.offset = 0;
  cursor.attempt = attempt.number;
  const { offset, tailBytes } = cursor;
  return { attempt, offset, tailBytes, follow: reading.request.follow, signal: reading.signal };
}

function advance(cursor: Cursor, chunk: ChunkMessage): void {
  cursor.offset = chunk.offset + chunk.data.length;
  cursor.tailBytes = 0;
  cursor.failures = 0;
}

function goOnAfter(cursor: Cursor): "again" {
  cursor.attempt += 1;
  cursor.orLater = true;
  cursor.offset = 0;
  return "again";
}

/** A follower of the whole job outlives the node that ran an attempt of it; others are told. */
async function* onFailure(
  reading: Reading,
  cursor: Cursor,
  error: NlError,
): AsyncGenerator<Result<ChunkMessage, NlError>, "ended" | "again"> {
  const { context, jobId, signal } = reading;
  const attempts = context.replica.view.attemptsOf(jobId);
  const attempt = attempts.find((one) => one.number === cursor.attempt);
  cursor.failures += 1;
  if (goesOn(reading) && cursor.failures <= RETRIES_MAX) {
    if (attempt?.state === "lost") {
      goOnAfter(cursor);
    } else {
      await pause(context, signal);
    }
    return "again";
  }
  yield err(error);
  return "ended";
}

function pause(context: ApiContext, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      cancel();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const cancel = context.platform.timers.after(RETRY_MILLIS, finish);
    signal.addEventListener("abort", finish);
  });
}
