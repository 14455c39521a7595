import type { Applying } from "../applying.ts";
import type { CommandBody, Outcome, SubmittedJob } from "../command.ts";
import { isSameBytes } from "../spec-table.ts";

type SubmitJobs = Extract<CommandBody, { kind: "submit-jobs" }>;

/** Records jobs as wanted, one by one: one outcome each; placing them is the scheduler's concern. */
export const applySubmitJobs = (applying: Applying, command: SubmitJobs): readonly Outcome[] =>
  command.jobs.map((job) => submitJob(applying, job));

/**
 * Repeating a submission is not an error: clients retry after a lost reply, and the id is the
 * idempotency key (SEMANTICS S2). A full cluster still knows the jobs it has.
 */
function submitJob(applying: Applying, submitted: SubmittedJob): Outcome {
  const { state, index } = applying;
  const known = state.jobs.get(submitted.jobId);
  if (known !== undefined) {
    return isSameBytes(known.spec.bytes, submitted.spec)
      ? { kind: "ok", index: known.submittedIndex, existed: true }
      : { kind: "refused", refusal: { kind: "job-conflict", jobId: known.id } };
  }
  const limit = state.limits.jobsMax;
  if (state.jobs.size >= limit) {
    return { kind: "refused", refusal: { kind: "queue-full", limit } };
  }
  applying.addJob({
    id: submitted.jobId,
    spec: state.internSpec(submitted.spec),
    state: "pending",
    reason: "queued",
    submittedAt: applying.at,
    submittedIndex: index,
    updatedIndex: index,
    principal: applying.principal,
    run: null,
  });
  return applying.done();
}
