import type { Attempt, AttemptEnd, ClusterView } from "./cluster-state.ts";
import type { AttemptReport } from "./command.ts";

/** Ends that say the agent gave up on the task: the loss that was recorded already says it. */
const NOT_A_RESULT: ReadonlySet<AttemptEnd> = new Set([
  "cancelled",
  "lease-lost",
  "drained",
  "agent-fault",
]);

/**
 * A node that was lost came back with a finished result, and the job has not been given another
 * attempt meanwhile: the work was done, so it counts (SEMANTICS, Node back).
 */
export function isLateResult(view: ClusterView, attempt: Attempt, report: AttemptReport): boolean {
  if (attempt.state !== "lost" || report.phase !== "exited") return false;
  if (report.end === null || NOT_A_RESULT.has(report.end)) return false;
  const job = view.jobs.get(attempt.jobId);
  return job?.state === "pending" && job.run?.attempt === attempt.number;
}
