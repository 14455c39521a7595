import { unreachable } from "../lib/assert.ts";
import type { AttemptId } from "../lib/ids.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import type { AttemptCause, AttemptEnd, JobReason } from "./cluster-state.ts";
import { declineDelayMillis, LOSSES_MAX, mayRetry, retryDelayMillis } from "./retry-policy.ts";

/** How an attempt came to its end, whoever said so. */
export type Ending =
  | {
      readonly kind: "exited";
      readonly end: AttemptEnd;
      readonly exitCode: number | null;
      readonly signal: string;
    }
  | { readonly kind: "declined"; readonly declinesInARow: number }
  | { readonly kind: "node-lost" }
  /** Removed for good. What waited for it may still run there, so it never runs elsewhere (S5). */
  | { readonly kind: "node-removed" };

/** What was charged to the job so far, and whether someone has cancelled it. */
export type Charges = {
  readonly attemptId: AttemptId;
  readonly failures: number;
  readonly losses: number;
  readonly isCancelling: boolean;
};

/** What becomes of the job. */
export type Verdict =
  | { readonly kind: "completed" }
  | { readonly kind: "cancelled" }
  | {
      readonly kind: "failed";
      readonly reason: JobReason;
      readonly failures: number;
      readonly losses: number;
    }
  | {
      readonly kind: "again";
      readonly cause: AttemptCause;
      readonly failures: number;
      readonly losses: number;
      readonly delayMillis: number;
    };

/** Decides what an ended attempt means for its job (SEMANTICS §2: Cancel, Retries, Node lost). */
export function judgeAttempt(spec: JobSpec, charges: Charges, ending: Ending): Verdict {
  // Whatever the task did: after an acked cancel a job never shows completed or failed (S7, S8).
  if (charges.isCancelling) return { kind: "cancelled" };
  switch (ending.kind) {
    case "declined":
      return {
        kind: "again",
        cause: "declined",
        failures: charges.failures,
        losses: charges.losses,
        delayMillis: declineDelayMillis(ending.declinesInARow),
      };
    case "node-lost":
      return judgeLoss(spec, charges, "node-lost");
    case "node-removed":
      return judgeRemoval(spec, charges);
    case "exited":
      return judgeExit(spec, charges, ending);
    default:
      return unreachable(ending);
  }
}

function judgeRemoval(spec: JobSpec, charges: Charges): Verdict {
  if (spec.onLost !== "wait") return judgeLoss(spec, charges, "node-lost");
  const { failures } = charges;
  return { kind: "failed", reason: "node-lost", failures, losses: charges.losses + 1 };
}

function judgeExit(
  spec: JobSpec,
  charges: Charges,
  ending: Extract<Ending, { kind: "exited" }>,
): Verdict {
  const loss = lossBehind(ending.end);
  if (loss !== null) return judgeLoss(spec, charges, loss);
  if (ending.end === "exited" && ending.exitCode === 0) return { kind: "completed" };

  const failures = charges.failures + 1;
  const { losses } = charges;
  if (spec.once || !mayRetry(spec.retries, failures, ending.exitCode)) {
    return { kind: "failed", reason: reasonFor(ending), failures, losses };
  }
  const delayMillis = retryDelayMillis(spec.retries, failures, charges.attemptId);
  return { kind: "again", cause: "retry", failures, losses, delayMillis };
}

type LossCause = "node-lost" | "drain" | "agent-fault";

/** Not the program's doing. A task stopped as cancelled that nobody cancelled is an agent's fault. */
function lossBehind(end: AttemptEnd): LossCause | null {
  switch (end) {
    case "lease-lost":
      return "node-lost";
    case "drained":
      return "drain";
    case "agent-fault":
    case "cancelled":
      return "agent-fault";
    default:
      return null;
  }
}

function judgeLoss(spec: JobSpec, charges: Charges, cause: LossCause): Verdict {
  const { failures } = charges;
  const losses = charges.losses + 1;
  // A drain asks for the move, so `on_lost: fail` does not speak about it; `once` does.
  const staysEnded = spec.once || (spec.onLost === "fail" && cause !== "drain");
  if (staysEnded) {
    const reason = cause === "agent-fault" ? "agent-fault" : "node-lost";
    return { kind: "failed", reason, failures, losses };
  }
  if (losses > LOSSES_MAX) return { kind: "failed", reason: "lost-too-often", failures, losses };
  return { kind: "again", cause, failures, losses, delayMillis: 0 };
}

function reasonFor(ending: {
  readonly end: AttemptEnd;
  readonly exitCode: number | null;
  readonly signal: string;
}): JobReason {
  switch (ending.end) {
    case "exited":
      return ending.exitCode === KILLED_CODE ? "killed" : "exit-code";
    case "signalled":
      return ending.signal === "SIGKILL" ? "killed" : "signal";
    case "timeout":
    case "start-timeout":
    case "oom-killed":
    case "output-limit":
    case "not-started":
    case "no-docker":
    case "no-image":
      return ending.end;
    case "cancelled":
    case "lease-lost":
    case "drained":
    case "agent-fault":
      return "agent-fault";
    default:
      return unreachable(ending.end);
  }
}

/** 128 + SIGKILL, as a shell or a container runtime reports it. */
const KILLED_CODE = 137;
