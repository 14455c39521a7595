import { unreachable } from "../lib/assert.ts";
import type { Index, UnixMillis } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { Applying } from "./applying.ts";
import type { Command, CommandBody, Outcome } from "./command.ts";
import { type CommandDecodeError, decodeCommand } from "./command-codec.ts";
import { applyAssignAttempts } from "./commands/assign-attempts.ts";
import { applyCancelJob } from "./commands/cancel-job.ts";
import { applyCreateJoinToken } from "./commands/create-join-token.ts";
import { applyDrainNode } from "./commands/drain-node.ts";
import { applyForgetNode } from "./commands/forget-node.ts";
import { applyLeaveNode } from "./commands/leave-node.ts";
import { applyMarkNode } from "./commands/mark-node.ts";
import { applyRaiseFeatureLevel } from "./commands/raise-feature-level.ts";
import { applyRedeemJoinToken } from "./commands/redeem-join-token.ts";
import { applyRegisterNode } from "./commands/register-node.ts";
import { applyReportAttempts } from "./commands/report-attempts.ts";
import { applyRevokeJoinToken } from "./commands/revoke-join-token.ts";
import { applySetSeat } from "./commands/set-seat.ts";
import { applySubmitJobs } from "./commands/submit-jobs.ts";
import { applyUndrainNode } from "./commands/undrain-node.ts";
import type { ClusterState } from "./create-state.ts";
import type { Fact } from "./fact.ts";
import { FEATURE_LEVEL } from "./feature-level.ts";

/** A committed log entry; Raft's own shape fits. */
export type CommittedEntry = {
  readonly index: Index;
  readonly kind: "normal" | "noop" | "conf";
  readonly data: Uint8Array;
};

export type Change = {
  /** One per submitted job, one for every other command, none for entries without a command. */
  readonly outcomes: readonly Outcome[];
  readonly facts: readonly Fact[];
};

/** This nl cannot know what the entry means: apply ends here, and the node serves nothing stale. */
export type ApplyStop = {
  readonly kind: "unknown-command";
  readonly index: Index;
  /** For people: what happened and what to do. */
  readonly sentence: string;
};

const NOTHING: Change = { outcomes: [], facts: [] };

/**
 * Applies one committed entry; the same entries give the same state on every node. After a stop
 * the state is as before the entry, and the entry must not be skipped (DESIGN, State machine).
 */
export function apply(state: ClusterState, entry: CommittedEntry): Result<Change, ApplyStop> {
  if (entry.kind !== "normal") {
    state.advanceIndex(entry.index);
    return ok(NOTHING);
  }
  const decoded = decodeCommand(entry.data);
  if (!decoded.ok) return err(stopAt(entry.index, decoded.error));
  const command = decoded.value;
  state.advanceIndex(entry.index);
  state.advanceTime(command.at);
  return ok(applyCommand(state, entry.index, command));
}

function applyCommand(state: ClusterState, index: Index, command: Command): Change {
  if (command.level > state.featureLevel) {
    const refusal = { kind: "feature-level", featureLevel: state.featureLevel } as const;
    const outcomes = Array.from(
      { length: outcomeCount(command.body) },
      (): Outcome => ({ kind: "refused", refusal }),
    );
    return { outcomes, facts: [] };
  }
  const at: UnixMillis = state.appliedAt;
  const applying = new Applying({ state, index, at, principal: command.principal });
  const outcomes = applyBody(applying, command.body);
  return { outcomes, facts: applying.facts };
}

function applyBody(applying: Applying, body: CommandBody): readonly Outcome[] {
  switch (body.kind) {
    case "submit-jobs":
      return applySubmitJobs(applying, body);
    case "cancel-job":
      return [applyCancelJob(applying, body)];
    case "assign-attempts":
      return [applyAssignAttempts(applying, body)];
    case "report-attempts":
      return [applyReportAttempts(applying, body)];
    case "register-node":
      return [applyRegisterNode(applying, body)];
    case "mark-node":
      return [applyMarkNode(applying, body)];
    case "drain-node":
      return [applyDrainNode(applying, body)];
    case "undrain-node":
      return [applyUndrainNode(applying, body)];
    case "raise-feature-level":
      return [applyRaiseFeatureLevel(applying, body)];
    case "create-join-token":
      return [applyCreateJoinToken(applying, body)];
    case "revoke-join-token":
      return [applyRevokeJoinToken(applying, body)];
    case "redeem-join-token":
      return [applyRedeemJoinToken(applying, body)];
    case "set-seat":
      return [applySetSeat(applying, body)];
    case "leave-node":
      return [applyLeaveNode(applying, body)];
    case "forget-node":
      return [applyForgetNode(applying, body)];
    case "note-members":
      applying.noteMembers(body.voters, body.learners);
      return [applying.done()];
    default:
      return unreachable(body);
  }
}

const outcomeCount = (body: CommandBody): number =>
  body.kind === "submit-jobs" ? body.jobs.length : 1;

function stopAt(index: Index, error: CommandDecodeError): ApplyStop {
  const sentence =
    error.kind === "level"
      ? `entry ${index} needs feature level ${error.level}, this nl supports ${FEATURE_LEVEL}: upgrade this node`
      : `entry ${index} is not a command this nl knows (${error.detail}): upgrade this node`;
  return { kind: "unknown-command", index, sentence };
}
