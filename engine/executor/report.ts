import { assert } from "../lib/assert.ts";
import type { NodeId } from "../lib/ids.ts";
import type { TaskStatus } from "../platform/task-host.ts";
import type { Attempt, AttemptEnd } from "../state/cluster-state.ts";
import type { AttemptReport } from "../state/command.ts";

/** Many reports share one entry of 512 KiB, and this text stays in the replicated state. */
const DETAIL_LENGTH_MAX = 1_000;

/** The facts of a task that never ran here. */
const NOTHING_RAN = {
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
} as const;

/** An attempt that did not end, with what its task shows so far, if there is one. */
export function phaseReport(
  nodeId: NodeId,
  attempt: Attempt,
  phase: "starting" | "running" | "declined",
  task: TaskStatus | null = null,
): AttemptReport {
  const { id, fence } = attempt;
  const facts = task === null ? NOTHING_RAN : factsOf(task);
  return { ...facts, attemptId: id, nodeId, fence, phase };
}

/** An attempt that ended without a task to tell about it. */
export function endedReport(
  nodeId: NodeId,
  attempt: Attempt,
  ended: { readonly end: AttemptEnd; readonly detail: string },
): AttemptReport {
  const { id, fence } = attempt;
  return { ...NOTHING_RAN, ...ended, attemptId: id, nodeId, fence, phase: "exited" };
}

/** An attempt that ended as its task did. */
export function taskReport(nodeId: NodeId, attempt: Attempt, task: TaskStatus): AttemptReport {
  assert(task.end !== null, "an exited task says how it ended");
  const { id, fence } = attempt;
  return { ...factsOf(task), attemptId: id, nodeId, fence, phase: "exited" };
}

function factsOf(
  task: TaskStatus,
): Omit<AttemptReport, "attemptId" | "nodeId" | "fence" | "phase"> {
  const { startedAt, finishedAt, end, exitCode, signal, stdoutBytes, stderrBytes } = task;
  const { outputAtLeast, driver, peakMemoryBytes } = task;
  return {
    startedAt,
    finishedAt,
    end,
    exitCode,
    signal,
    detail: clipped(task.detail),
    stdoutBytes,
    stderrBytes,
    outputAtLeast,
    driver,
    peakMemoryBytes,
  };
}

const clipped = (detail: string): string =>
  detail.length <= DETAIL_LENGTH_MAX ? detail : `${detail.slice(0, DETAIL_LENGTH_MAX)}…`;
