import type {
  Attempt as AttemptMessage,
  Job as JobMessage,
} from "../../../proto/gen/nl/v1/jobs.ts";
import { JobSpec as SpecMessage } from "../../../proto/gen/nl/v1/spec.ts";
import type { Attempt, ClusterView, Job, JobRun, SpecRecord } from "../../state/cluster-state.ts";

/** In a summary a command is cut after about this many characters. */
const SUMMARY_COMMAND_LENGTH = 256;

/** Decoded specs kept: a decoded one is several times its bytes, so not one per pending job. */
const DECODED_MAX = 1_024;

/** Equal specs share one record, so most rows of a list cost no decoding. */
const decoded = new Map<SpecRecord, SpecMessage>();
const summaries = new Map<SpecRecord, SpecMessage>();

export function specMessage(spec: SpecRecord): SpecMessage {
  const known = decoded.get(spec);
  if (known !== undefined) return known;
  const message = SpecMessage.decode(spec.bytes);
  if (decoded.size >= DECODED_MAX) decoded.clear();
  decoded.set(spec, message);
  return message;
}

/** A job with its whole spec and its attempts. */
export function jobMessage(job: Job, view: ClusterView, waitingFor = ""): JobMessage {
  return {
    ...row(job, specMessage(job.spec)),
    attempts: view.attemptsOf(job.id).map(attemptMessage),
    waitingFor,
  };
}

/** A job with its whole spec, without its attempts. */
export const jobListMessage = (job: Job): JobMessage => row(job, specMessage(job.spec));

/** A job as a table shows it: no attempts, no environment or labels, a long command cut. */
export const jobSummaryMessage = (job: Job): JobMessage => row(job, summary(job.spec));

function row(job: Job, spec: SpecMessage): JobMessage {
  const run: Partial<JobRun> = job.run ?? {};
  return {
    id: job.id,
    spec,
    state: job.state,
    reason: job.reason,
    exitCode: run.exitCode ?? undefined,
    signal: run.signal ?? "",
    nodeId: run.nodeId ?? "",
    principal: job.principal,
    submittedAt: job.submittedAt,
    startedAt: run.startedAt ?? 0,
    finishedAt: run.finishedAt ?? 0,
    submittedIndex: job.submittedIndex,
    updatedIndex: job.updatedIndex,
    attempts: [],
    waitingFor: "",
    detail: run.detail ?? "",
  };
}

function summary(spec: SpecRecord): SpecMessage {
  const known = summaries.get(spec);
  if (known !== undefined) return known;
  const whole = SpecMessage.decode(spec.bytes);
  const message = { ...whole, command: cut(whole.command), env: {}, labels: {} };
  if (summaries.size >= DECODED_MAX) summaries.clear();
  summaries.set(spec, message);
  return message;
}

function cut(command: readonly string[]): string[] {
  const words: string[] = [];
  let room = SUMMARY_COMMAND_LENGTH;
  for (const word of command) {
    if (word.length > room) {
      words.push(`${word.slice(0, room)}…`);
      break;
    }
    words.push(word);
    room -= word.length + 1;
    if (room <= 0) break;
  }
  return words;
}

function attemptMessage(attempt: Attempt): AttemptMessage {
  return {
    id: attempt.id,
    number: attempt.number,
    nodeId: attempt.nodeId,
    fence: attempt.fence,
    state: attempt.state,
    cause: attempt.cause,
    end: attempt.end ?? "",
    exitCode: attempt.exitCode ?? undefined,
    signal: attempt.signal,
    detail: attempt.detail,
    assignedAt: attempt.assignedAt,
    startedAt: attempt.startedAt ?? 0,
    finishedAt: attempt.finishedAt ?? 0,
    stdoutBytes: attempt.stdoutBytes,
    stderrBytes: attempt.stderrBytes,
    outputAtLeast: attempt.outputAtLeast,
    driver: attempt.driver,
    peakMemoryBytes: attempt.peakMemoryBytes,
  };
}
