import { attemptId } from "../../lib/ids.ts";
import type { Applying } from "../applying.ts";
import type { Attempt, JobRun, NodeRecord } from "../cluster-state.ts";
import type { Assignment, CommandBody, Outcome } from "../command.ts";
import type { StoredJob } from "../state-store.ts";

type AssignAttempts = Extract<CommandBody, { kind: "assign-attempts" }>;

/**
 * Gives pending jobs a node. The plan was made before the log, so each assignment is checked again
 * here; one that no longer holds is dropped without effect, and the scheduler plans anew (S3, S5).
 */
export function applyAssignAttempts(applying: Applying, command: AssignAttempts): Outcome {
  for (const assignment of command.assignments) {
    const job = applying.state.jobs.get(assignment.jobId);
    const node = applying.state.nodes.get(assignment.nodeId);
    if (job !== undefined && node !== undefined && holds(job, node, assignment)) {
      assign(applying, { job, node, assignment });
    } else {
      applying.ignore(attemptId(assignment.jobId, assignment.number));
    }
  }
  return applying.done();
}

const holds = (job: StoredJob, node: NodeRecord, assignment: Assignment): boolean =>
  job.state === "pending" && assignment.number === (job.run?.attempt ?? 0) + 1 && acceptsWork(node);

/** Replicated facts only; who is merely suspect is the leader's own knowledge. */
const acceptsWork = (node: NodeRecord): boolean =>
  node.registered &&
  node.liveness === "alive" &&
  node.drain === null &&
  node.roles.includes("worker");

type Chosen = {
  readonly job: StoredJob;
  readonly node: NodeRecord;
  readonly assignment: Assignment;
};

function assign(applying: Applying, { job, node, assignment }: Chosen): void {
  const attempt: Attempt = {
    id: attemptId(job.id, assignment.number),
    jobId: job.id,
    number: assignment.number,
    nodeId: node.id,
    fence: applying.index,
    state: "assigned",
    cause: assignment.cause,
    assignedAt: applying.at,
    startedAt: null,
    finishedAt: null,
    end: null,
    exitCode: null,
    signal: "",
    detail: "",
    stdoutBytes: 0,
    stderrBytes: 0,
    outputAtLeast: false,
    driver: "",
    peakMemoryBytes: 0,
  };
  applying.putJob({
    ...job,
    state: "assigned",
    reason: "",
    updatedIndex: applying.index,
    run: runOf(job, attempt),
  });
  applying.putAttempt(attempt);
}

const runOf = (job: StoredJob, attempt: Attempt): JobRun => ({
  attempt: attempt.number,
  nodeId: attempt.nodeId,
  startedAt: null,
  finishedAt: null,
  exitCode: null,
  signal: "",
  failures: job.run?.failures ?? 0,
  losses: job.run?.losses ?? 0,
  notBefore: null,
  cause: attempt.cause,
  cancelRequestedAt: null,
  detail: "",
});
