import type { AttemptId, NodeId, UnixMillis } from "../lib/ids.ts";
import type { StopReason, TaskStatus } from "../platform/task-host.ts";
import type { Attempt, AttemptEnd, DrainIntent } from "../state/cluster-state.ts";
import type { AttemptReport } from "../state/command.ts";
import { endedReport, phaseReport, taskReport } from "./report.ts";

/** An attempt of this node as the replicated state shows it. */
export type WantedAttempt = {
  readonly attempt: Attempt;
  /**
   * `live`: not over. `awaited`: called lost, but a finished result would still count, because its
   * job was not given another attempt yet. `over`: nothing more is wanted of it.
   */
  readonly standing: "live" | "awaited" | "over";
  readonly isCancelling: boolean;
  readonly graceMillis: number;
};

export type ReconcileInput = {
  readonly nodeId: NodeId;
  /** Every live attempt of this node, and what is known of the attempt of every task. */
  readonly attempts: ReadonlyMap<AttemptId, WantedAttempt>;
  /** What the task host holds, without the tasks that are settled. */
  readonly tasks: ReadonlyMap<AttemptId, TaskStatus>;
  /** Told to start, but not in `tasks` yet. */
  readonly starting: ReadonlySet<AttemptId>;
  /** The task host is connected and has told every task. Without it no conclusion is drawn. */
  readonly isListed: boolean;
  /** The lease holds, and the commit index that came with it is applied here. */
  readonly mayAct: boolean;
  readonly drain: DrainIntent | null;
  readonly now: UnixMillis;
};

export type Action =
  | { readonly kind: "start"; readonly attempt: Attempt }
  | {
      readonly kind: "stop";
      readonly attemptId: AttemptId;
      readonly reason: StopReason;
      readonly graceMillis: number;
    }
  | { readonly kind: "report"; readonly report: AttemptReport }
  /** Finished, and the result is committed: only its output is still of use. */
  | { readonly kind: "settle"; readonly attemptId: AttemptId }
  /** Finished, and the cluster does not know it any more. */
  | { readonly kind: "remove"; readonly attemptId: AttemptId };

/** Ends that are no result: the loss that was recorded already says as much. */
const GAVE_UP: ReadonlySet<AttemptEnd> = new Set([
  "cancelled",
  "lease-lost",
  "drained",
  "agent-fault",
]);

/** Grace of a task that nobody wants and whose spec is not known any more. */
const UNKNOWN_GRACE_MILLIS = 10_000;

/**
 * Compares what this machine should run with what it runs (SEMANTICS §2). Total and repeatable:
 * the same actions come back until the world shows their effect; the caller paces them.
 */
export function reconcile(input: ReconcileInput): readonly Action[] {
  if (!input.isListed) return [];
  const actions: Action[] = [];
  for (const wanted of input.attempts.values()) {
    if (wanted.standing !== "live") continue;
    const task = input.tasks.get(wanted.attempt.id);
    if (task === undefined) actions.push(...withoutTask(input, wanted));
    else actions.push(...withTask(input, wanted, task));
  }
  for (const task of input.tasks.values()) {
    const wanted = input.attempts.get(task.attemptId);
    if (wanted?.standing !== "live") actions.push(...notLive(input, wanted, task));
  }
  return actions;
}

function withoutTask(input: ReconcileInput, wanted: WantedAttempt): readonly Action[] {
  const { attempt } = wanted;
  // It may be there already, so nothing is concluded; to say it again is harmless.
  if (input.starting.has(attempt.id)) return input.mayAct ? [{ kind: "start", attempt }] : [];
  if (attempt.state !== "assigned") {
    // The host journals before it starts, so a task that it does not know is gone for good.
    const detail = "the task host does not know this task any more";
    return [report(endedReport(input.nodeId, attempt, { end: "agent-fault", detail }))];
  }
  if (wanted.isCancelling) {
    const detail = "cancelled before it started";
    return [report(endedReport(input.nodeId, attempt, { end: "cancelled", detail }))];
  }
  // Counts only while the node drains: after an undrain the attempt may start here after all.
  if (input.drain !== null) {
    return [report(phaseReport(input.nodeId, attempt, "declined"))];
  }
  return input.mayAct ? [{ kind: "start", attempt }] : [];
}

function withTask(
  input: ReconcileInput,
  wanted: WantedAttempt,
  task: TaskStatus,
): readonly Action[] {
  const { attempt } = wanted;
  if (task.phase === "exited") return [report(taskReport(input.nodeId, attempt, task))];
  const actions: Action[] = [];
  const phase = reportablePhase(attempt, task);
  if (phase !== null) actions.push(report(phaseReport(input.nodeId, attempt, phase, task)));
  const reason = stopReason(input, wanted);
  if (reason !== null && task.phase !== "stopping") {
    const { graceMillis } = wanted;
    actions.push({ kind: "stop", attemptId: attempt.id, reason, graceMillis });
  }
  return actions;
}

/** What the log does not show yet; null = nothing new. */
function reportablePhase(attempt: Attempt, task: TaskStatus): "starting" | "running" | null {
  if (task.phase === "running") return attempt.state === "running" ? null : "running";
  if (task.phase === "stopping") return null;
  return attempt.state === "assigned" ? "starting" : null;
}

function stopReason(input: ReconcileInput, wanted: WantedAttempt): StopReason | null {
  if (wanted.isCancelling) return "cancelled";
  if (input.drain !== null && input.now >= input.drain.deadlineAt) return "drain";
  return null;
}

/** A task whose attempt is over, or unknown: killed only by a node that knows what it does. */
function notLive(
  input: ReconcileInput,
  wanted: WantedAttempt | undefined,
  task: TaskStatus,
): readonly Action[] {
  const { attemptId } = task;
  const isExited = task.phase === "exited";
  if (wanted?.standing === "awaited" && task.end !== null && !GAVE_UP.has(task.end)) {
    return [report(taskReport(input.nodeId, wanted.attempt, task))];
  }
  if (isExited && wanted !== undefined) return [{ kind: "settle", attemptId }];
  if (!input.mayAct) return [];
  if (isExited) return [{ kind: "remove", attemptId }];
  if (task.phase === "stopping") return [];
  const graceMillis = wanted?.graceMillis ?? UNKNOWN_GRACE_MILLIS;
  return [{ kind: "stop", attemptId, reason: "unknown", graceMillis }];
}

const report = (attemptReport: AttemptReport): Action => ({
  kind: "report",
  report: attemptReport,
});
