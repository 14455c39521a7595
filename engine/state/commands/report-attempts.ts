import { assert, unreachable } from "../../lib/assert.ts";
import type { Applying } from "../applying.ts";
import { mayBecome } from "../attempt-lifecycle.ts";
import type { Attempt } from "../cluster-state.ts";
import type { AttemptReport, CommandBody, Outcome } from "../command.ts";
import { isLateResult } from "../late-result.ts";
import { settleJob } from "../settle-job.ts";

type ReportAttempts = Extract<CommandBody, { kind: "report-attempts" }>;

/**
 * Takes what executors say about their attempts. Reports repeat until they are seen as committed,
 * and may be late, doubled or from an older fence: those change nothing (SEMANTICS S4).
 */
export function applyReportAttempts(applying: Applying, command: ReportAttempts): Outcome {
  for (const report of command.reports) {
    const attempt = applying.state.attempt(report.attemptId);
    if (attempt !== undefined && holds(applying, attempt, report)) take(applying, attempt, report);
    else applying.ignore(report.attemptId);
  }
  return applying.done();
}

function holds(applying: Applying, attempt: Attempt, report: AttemptReport): boolean {
  if (attempt.fence !== report.fence || attempt.nodeId !== report.nodeId) return false;
  if (report.phase === "declined" && !isDraining(applying, report)) return false;
  return mayBecome(attempt.state, report.phase) || isLateResult(applying.state, attempt, report);
}

/**
 * A node may start what it has declined once it is undrained, so a decline that arrives later, from
 * a call that was repeated or delayed, must not give the attempt away (SEMANTICS S5).
 */
const isDraining = (applying: Applying, { nodeId }: AttemptReport): boolean =>
  (applying.state.nodes.get(nodeId)?.drain ?? null) !== null;

function take(applying: Applying, before: Attempt, report: AttemptReport): void {
  const attempt = merged(before, report);
  applying.putAttempt(attempt);
  switch (report.phase) {
    case "starting":
      break;
    case "running":
      showRunning(applying, attempt);
      break;
    case "declined":
      settleJob(applying, attempt, {
        kind: "declined",
        declinesInARow: declinesUpTo(applying, attempt),
      });
      break;
    case "exited":
      settleJob(applying, attempt, {
        kind: "exited",
        end: attempt.end ?? "agent-fault",
        exitCode: attempt.exitCode,
        signal: attempt.signal,
      });
      break;
    default:
      unreachable(report.phase);
  }
}

function merged(before: Attempt, report: AttemptReport): Attempt {
  return {
    ...before,
    state: report.phase,
    startedAt: report.startedAt ?? before.startedAt,
    finishedAt: report.finishedAt,
    // An exit that names no end is one that nobody can vouch for.
    end: report.end ?? (report.phase === "exited" ? "agent-fault" : null),
    exitCode: report.exitCode,
    signal: report.signal,
    detail: report.detail,
    stdoutBytes: report.stdoutBytes,
    stderrBytes: report.stderrBytes,
    outputAtLeast: report.outputAtLeast,
    driver: report.driver === "" ? before.driver : report.driver,
    peakMemoryBytes: report.peakMemoryBytes,
  };
}

function showRunning(applying: Applying, attempt: Attempt): void {
  const job = applying.state.jobs.get(attempt.jobId);
  assert(job !== undefined && job.run !== null, "a running attempt belongs to an assigned job");
  applying.putJob({
    ...job,
    state: "running",
    updatedIndex: applying.index,
    run: { ...job.run, startedAt: attempt.startedAt },
  });
}

const DECLINES_COUNTED_MAX = 10;

function declinesUpTo(applying: Applying, attempt: Attempt): number {
  const newestFirst = applying.state
    .attemptsOf(attempt.jobId)
    .slice(-DECLINES_COUNTED_MAX)
    .reverse();
  const other = newestFirst.findIndex(({ state }) => state !== "declined");
  return other === -1 ? newestFirst.length : other;
}
