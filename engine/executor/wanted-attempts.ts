import type { AttemptId, NodeId } from "../lib/ids.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import type { TaskStatus } from "../platform/task-host.ts";
import type { Attempt, ClusterView, Job, SpecRecord } from "../state/cluster-state.ts";
import type { WantedAttempt } from "./reconcile.ts";

type Local = {
  readonly nodeId: NodeId;
  readonly tasks: ReadonlyMap<AttemptId, TaskStatus>;
  readonly specOf: (record: SpecRecord) => JobSpec;
};

/** What the replicated state says about this node's attempts, and about those of its tasks. */
export function wantedAttempts(
  view: ClusterView,
  local: Local,
): ReadonlyMap<AttemptId, WantedAttempt> {
  const wanted = new Map<AttemptId, WantedAttempt>();
  for (const attempt of view.liveAttempts(local.nodeId)) {
    const one = wantedAttempt(view, attempt, { ...local, isLive: true });
    if (one !== undefined) wanted.set(attempt.id, one);
  }
  for (const attemptId of local.tasks.keys()) {
    const attempt = wanted.has(attemptId) ? undefined : view.attempt(attemptId);
    if (attempt === undefined) continue;
    const one = wantedAttempt(view, attempt, { ...local, isLive: false });
    if (one !== undefined) wanted.set(attemptId, one);
  }
  return wanted;
}

function wantedAttempt(
  view: ClusterView,
  attempt: Attempt,
  local: Local & { readonly isLive: boolean },
): WantedAttempt | undefined {
  const job = view.jobs.get(attempt.jobId);
  if (job === undefined) return undefined;
  return {
    attempt,
    standing: local.isLive ? "live" : isAwaited(attempt, job) ? "awaited" : "over",
    isCancelling: job.run?.attempt === attempt.number && job.run.cancelRequestedAt !== null,
    graceMillis: local.specOf(job.spec).killGraceMillis,
  };
}

/** Its node was called lost, and nothing newer has begun: a finished result still counts. */
const isAwaited = (attempt: Attempt, job: Job): boolean =>
  attempt.state === "lost" && job.state === "pending" && job.run?.attempt === attempt.number;
