import type { SubmitOutcome } from "../../proto/gen/nl/v1/jobs.ts";
import type { NlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { mayPass, outcomeError, withDoubt } from "./call-error.ts";
import type { Submission } from "./client.ts";
import { pause } from "./pause.ts";
import { SUBMIT_JOBS, submissionBytes } from "./submission-bytes.ts";
import { type UnaryCalls, WRITE } from "./unary-calls.ts";

/** Well below the 4 MiB of a batch. */
const BATCH_BYTES_MAX = 2 * 1024 * 1024;
const BATCH_JOBS_MAX = 10_000;
const JOB_FRAME_BYTES = 8;
/** Rounds for jobs that were refused without effect, or whose fate is not known. */
const ROUNDS_MAX = 10;
const ROUND_PAUSE_MILLIS = 200;

/** A job of the whole, with its place among the outcomes. */
type Slot = {
  readonly position: number;
  readonly jobId: string;
  readonly bytes: Uint8Array;
  /** Why it may have happened although its last outcome is a failure. */
  doubt: NlError | null;
};

/** Any number of submissions in as many calls as it takes; outcomes in the same order. */
export async function submitBatches(
  calls: UnaryCalls,
  submissions: readonly Submission[],
): Promise<Result<readonly SubmitOutcome[], NlError>> {
  const encoded = encodeAll(submissions);
  if (!encoded.ok) return encoded;
  const outcomes: SubmitOutcome[] = new Array(submissions.length);
  let open = encoded.value;
  for (let round = 0; open.length > 0 && round < ROUNDS_MAX; round++) {
    if (round > 0) await pause(ROUND_PAUSE_MILLIS, null);
    for (const batch of cut(open)) {
      const jobs = batch.map(({ bytes }) => bytes);
      const answer = await calls.call(SUBMIT_JOBS, jobs, WRITE);
      if (!answer.ok) return giveUp(answer.error, { slots: encoded.value, batch, outcomes });
      batch.forEach((slot, i) => {
        outcomes[slot.position] = settle(slot, answer.value.outcomes[i] as SubmitOutcome);
      });
    }
    open = open.filter(({ position }) => isOpen(outcomes[position]));
  }
  return ok(outcomes);
}

/** A job that one of its tries left open stays open until one succeeds (SEMANTICS, S11). */
function settle(slot: Slot, outcome: SubmitOutcome): SubmitOutcome {
  if (outcome.failure === undefined) return outcome;
  const error = outcomeError(outcome.failure);
  if (error.code === "indefinite") slot.doubt = error;
  return { ...outcome, failure: withDoubt(slot.doubt, error) };
}

/** The first call failed: so did the whole. A later one: what was achieved before is told. */
function giveUp(
  error: NlError,
  work: {
    readonly slots: readonly Slot[];
    /** What the failed call carried. */
    readonly batch: readonly Slot[];
    readonly outcomes: SubmitOutcome[];
  },
): Result<readonly SubmitOutcome[], NlError> {
  const { slots, batch, outcomes } = work;
  if (slots.every(({ position }) => outcomes[position] === undefined)) return err(error);
  const failed = new Set(batch);
  const notSent = { ...error, code: "unreachable" } as const;
  for (const slot of slots) {
    const { position, jobId } = slot;
    if (outcomes[position] !== undefined && !failed.has(slot)) continue;
    const failure = withDoubt(slot.doubt, failed.has(slot) ? error : notSent);
    outcomes[position] = { jobId, index: 0, existed: false, failure: { ...failure } };
  }
  return ok(outcomes);
}

function encodeAll(submissions: readonly Submission[]): Result<readonly Slot[], NlError> {
  const slots: Slot[] = [];
  for (const [position, submission] of submissions.entries()) {
    const bytes = submissionBytes(submission);
    if (!bytes.ok) return bytes;
    const { jobId } = submission;
    slots.push({ position, jobId, bytes: bytes.value, doubt: null });
  }
  return ok(slots);
}

/** Repeating such a job with its id is safe, and may end otherwise. */
const isOpen = (outcome: SubmitOutcome | undefined): boolean =>
  outcome?.failure !== undefined && mayPass(outcomeError(outcome.failure));

function cut(slots: readonly Slot[]): readonly (readonly Slot[])[] {
  const batches: Slot[][] = [];
  let batch: Slot[] = [];
  let room = 0;
  for (const slot of slots) {
    const bytes = slot.bytes.length + JOB_FRAME_BYTES;
    if (bytes > room || batch.length >= BATCH_JOBS_MAX) {
      batch = [];
      batches.push(batch);
      room = BATCH_BYTES_MAX;
    }
    batch.push(slot);
    room -= bytes;
  }
  return batches;
}
