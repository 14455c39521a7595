import { assert, unreachable } from "../lib/assert.ts";
import type { UnixMillis } from "../lib/ids.ts";
import type { Applying } from "./applying.ts";
import type { Attempt, JobRun, JobState } from "./cluster-state.ts";
import { type Ending, judgeAttempt, type Verdict } from "./judge-attempt.ts";
import { specOf } from "./spec-of.ts";
import type { StoredJob } from "./state-store.ts";

/** Records what the end of its newest attempt means for the job. */
export function settleJob(applying: Applying, attempt: Attempt, ending: Ending): void {
  const job = applying.state.jobs.get(attempt.jobId);
  assert(job !== undefined, "an attempt belongs to a job");
  const { run } = job;
  assert(run !== null, "a job with an attempt has a run");
  assert(run.attempt === attempt.number, "only a job's newest attempt can settle it");

  const charges = {
    attemptId: attempt.id,
    failures: run.failures,
    // A node that came back with a result was not lost after all.
    losses: job.state === "pending" ? run.losses - 1 : run.losses,
    isCancelling: run.cancelRequestedAt !== null,
  };
  const verdict = judgeAttempt(specOf(job.spec), charges, ending);
  applying.putJob(
    verdict.kind === "again"
      ? waitingAgain({ applying, job, run, attempt }, verdict)
      : over({ applying, job, run: { ...run, losses: charges.losses }, attempt }, verdict),
  );
}

type Settled = {
  readonly applying: Applying;
  readonly job: StoredJob;
  readonly run: JobRun;
  readonly attempt: Attempt;
};

function waitingAgain(settled: Settled, verdict: Extract<Verdict, { kind: "again" }>): StoredJob {
  const { applying, job, run, attempt } = settled;
  const isDelayed = verdict.delayMillis > 0;
  return {
    ...job,
    state: "pending",
    reason: isDelayed ? "backoff" : "queued",
    updatedIndex: applying.index,
    run: {
      ...run,
      startedAt: null,
      finishedAt: null,
      exitCode: null,
      signal: "",
      failures: verdict.failures,
      losses: verdict.losses,
      notBefore: isDelayed ? ((applying.at + verdict.delayMillis) as UnixMillis) : null,
      cause: verdict.cause,
      detail: attempt.detail,
    },
  };
}

function over(settled: Settled, verdict: Exclude<Verdict, { kind: "again" }>): StoredJob {
  const { applying, job, run, attempt } = settled;
  const failed = verdict.kind === "failed" ? verdict : null;
  return {
    ...job,
    state: stateAfter(verdict),
    reason: failed?.reason ?? "",
    updatedIndex: applying.index,
    run: {
      ...run,
      startedAt: attempt.startedAt,
      finishedAt: attempt.finishedAt ?? applying.at,
      exitCode: attempt.exitCode,
      signal: attempt.signal,
      failures: failed?.failures ?? run.failures,
      losses: failed?.losses ?? run.losses,
      notBefore: null,
      detail: attempt.detail,
    },
  };
}

function stateAfter(verdict: Exclude<Verdict, { kind: "again" }>): JobState {
  switch (verdict.kind) {
    case "completed":
    case "cancelled":
    case "failed":
      return verdict.kind;
    default:
      return unreachable(verdict);
  }
}
