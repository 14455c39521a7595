import { unreachable } from "../lib/assert.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import type { StopReason, TaskStatus } from "../platform/task-host.ts";
import type { StartFailure, TaskExit } from "./task-driver.ts";

type End = NonNullable<TaskStatus["end"]>;

/** Why nl ended a task, decided before its first signal. */
export type Ending = { readonly end: End; readonly detail: string };

/** How an attempt ended, as far as it is told to the cluster. */
export type Outcome = Pick<TaskStatus, "exitCode" | "signal" | "detail" | "peakMemoryBytes"> & {
  readonly end: End;
};

export function endingOf(reason: StopReason): Ending {
  switch (reason) {
    case "cancelled":
      return { end: "cancelled", detail: "" };
    case "drain":
      return { end: "drained", detail: "the node is being drained" };
    case "shutdown":
      return { end: "drained", detail: "the node was shut down" };
    case "lease":
      return { end: "lease-lost", detail: "the node lost its contact to the cluster" };
    case "unknown":
      return { end: "cancelled", detail: "the cluster does not know this attempt any more" };
    default:
      return unreachable(reason);
  }
}

/** What happened first decides: an exit before nl's own signal is the task's own. */
export function outcomeOf(exit: TaskExit, ending: Ending | null, spec: JobSpec): Outcome {
  const { exitCode, signal, peakMemoryBytes } = exit;
  const facts = { exitCode, signal, peakMemoryBytes };
  if (ending !== null) return { ...facts, ...ending };
  if (exit.lostDetail !== "") {
    return { ...NOTHING_RAN, end: "agent-fault", detail: exit.lostDetail, peakMemoryBytes };
  }
  if (exit.oomKilled) {
    const limit = mebibytes(spec.resources.memoryBytes);
    const peak = peakMemoryBytes > 0 ? ` (peak ${mebibytes(peakMemoryBytes)})` : "";
    return { ...facts, end: "oom-killed", detail: `it needed more than its ${limit}${peak}` };
  }
  return { ...facts, end: signal === "" ? "exited" : "signalled", detail: "" };
}

export function outcomeOfFailure(failure: StartFailure, ending: Ending | null): Outcome {
  if (ending !== null) return { ...NOTHING_RAN, ...ending };
  const end = failure.kind === "aborted" ? "agent-fault" : failure.kind;
  return { ...NOTHING_RAN, end, detail: failure.detail };
}

const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`;

export const HOST_DIED: Outcome = {
  ...{ exitCode: null, signal: "", peakMemoryBytes: 0, end: "agent-fault" },
  detail: "the task host died, and the task with it",
};

const NOTHING_RAN = { exitCode: null, signal: "", peakMemoryBytes: 0 } as const;
