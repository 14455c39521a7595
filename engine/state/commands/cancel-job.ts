import { unreachable } from "../../lib/assert.ts";
import type { Applying } from "../applying.ts";
import type { JobRun } from "../cluster-state.ts";
import type { CommandBody, Outcome } from "../command.ts";
import type { StoredJob } from "../state-store.ts";

type CancelJob = Extract<CommandBody, { kind: "cancel-job" }>;

/**
 * A job that nobody runs is cancelled at once. One that has a live attempt is only marked: it ends
 * when its executor reports, so that "cancelled" means gone (SEMANTICS S7, S8).
 */
export function applyCancelJob(applying: Applying, command: CancelJob): Outcome {
  const { jobId } = command;
  const job = applying.state.jobs.get(jobId);
  if (job === undefined) return { kind: "refused", refusal: { kind: "unknown-job", jobId } };
  switch (job.state) {
    case "pending":
      return cancelPending(applying, job);
    case "assigned":
    case "running":
      return requestCancel(applying, job);
    case "completed":
    case "failed":
    case "cancelled": {
      const exitCode = job.run?.exitCode ?? null;
      return {
        kind: "refused",
        refusal: { kind: "already-over", jobId, state: job.state, exitCode },
      };
    }
    default:
      return unreachable(job.state);
  }
}

function cancelPending(applying: Applying, job: StoredJob): Outcome {
  const { at, index } = applying;
  applying.putJob({
    ...job,
    state: "cancelled",
    reason: "",
    updatedIndex: index,
    run: { ...(job.run ?? NEVER_RUN), finishedAt: at, cancelRequestedAt: at, notBefore: null },
  });
  return applying.done();
}

function requestCancel(applying: Applying, job: StoredJob): Outcome {
  if (job.run === null || job.run.cancelRequestedAt !== null) return applying.done(true);
  applying.putJob({
    ...job,
    reason: "cancelling",
    updatedIndex: applying.index,
    run: { ...job.run, cancelRequestedAt: applying.at },
  });
  return applying.done();
}

const NEVER_RUN: JobRun = {
  attempt: 0,
  nodeId: null,
  startedAt: null,
  finishedAt: null,
  exitCode: null,
  signal: "",
  failures: 0,
  losses: 0,
  notBefore: null,
  cause: "first",
  cancelRequestedAt: null,
  detail: "",
};
