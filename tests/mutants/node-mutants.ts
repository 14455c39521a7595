import type { Edit, Mutant } from "./mutant.ts";

const node = (id: string, what: string, edit: Edit): Mutant => ({
  id,
  what,
  noticedBy: "node",
  edits: [edit],
});

/** Bugs of what stands on Raft: leases, reports, reads and acknowledgements. */
export const NODE_MUTANTS: readonly Mutant[] = [
  node("N2", "leases are renewed without a quorum round", {
    file: "engine/leader/heartbeats.ts",
    find: "this.#leadership.options.replica.readBarrier(",
    replace:
      "((done) => this.#leadership.soon(() => done(ok(this.#leadership.options.replica.view.appliedIndex))))(",
  }),
  node("N3", "the lease runs from the answer instead of from the sending", {
    file: "engine/executor/heartbeat-sender.ts",
    find: "(answer) => this.#onAnswer(sentAtMillis, answer)",
    replace: "(answer) => this.#onAnswer(clock.monotonicMillis(), answer)",
  }),
  node("N4", "a node is called lost before its lease has killed", {
    file: "engine/leader/watch-nodes.ts",
    find: ">= lostMillis)",
    replace: ">= lostMillis / 2)",
  }),
  node("N5", "attempts start before the log is applied as far as the lease was granted", {
    file: "engine/executor/lease.ts",
    find: "(grant) => grant.commitIndex <= applied)",
    replace: "(grant) => grant.commitIndex <= applied || true)",
  }),
  node("N6", "an attempt that is over takes another report", {
    file: "engine/state/commands/report-attempts.ts",
    find: "return mayBecome(attempt.state, report.phase) ||",
    replace: "return true ||",
  }),
  node("N7", "a submission is acknowledged when it enters the log", {
    file: "engine/replica/propose-batch.ts",
    find: "waiters.add(index, { term, expiresAtMillis, done: proposal.done });",
    replace:
      'proposal.done({ ok: true, value: { index, term, outcomes: [{ kind: "ok", index, existed: false }] } });',
  }),
  node("N8", "an assignment is not checked again at apply", {
    file: "engine/state/commands/assign-attempts.ts",
    find: "&& holds(job, node, assignment)) {",
    replace: ") {",
  }),
  node("N9", "a job that is being cancelled may still complete", {
    file: "engine/state/settle-job.ts",
    find: "isCancelling: run.cancelRequestedAt !== null,",
    replace: "isCancelling: false,",
  }),
  node("N10", "an answered read does not wait for apply", {
    file: "engine/replica/reads.ts",
    find: "filter((round) => round.index <= applied)",
    replace: "filter(() => true)",
  }),
];
