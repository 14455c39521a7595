import type { JobId } from "../../../engine/lib/ids.ts";
import type { JobState } from "../../../engine/state/cluster-state.ts";
import { type Checker, must } from "../checker.ts";

const NAME = "results are final";

/**
 * A job that is over stays as it ended, and after an acknowledged cancel it can
 * only end cancelled. (SEMANTICS S4, S7, S8)
 */
export function resultsFinal(): Checker {
  const ended = new Map<JobId, JobState>();
  const cancelled = new Set<JobId>();
  const check = (jobId: JobId): void => {
    const state = ended.get(jobId);
    const isWrong = cancelled.has(jobId) && state !== undefined && state !== "cancelled";
    must(!isWrong, NAME, () => `${jobId} ended ${state} after its cancel was acknowledged`);
  };
  return {
    name: NAME,
    onJobState: (jobId, state) => {
      const known = ended.get(jobId);
      must(known === undefined, NAME, () => `${jobId} ended ${known}, and is ${state} later`);
      if (isOver(state)) ended.set(jobId, state);
      check(jobId);
    },
    onAcked: (_, what) => {
      if (what.kind !== "cancelled") return;
      cancelled.add(what.jobId);
      check(what.jobId);
    },
  };
}

const isOver = (state: JobState): boolean =>
  state === "completed" || state === "failed" || state === "cancelled";
