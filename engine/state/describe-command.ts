import { unreachable } from "../lib/assert.ts";
import type { AttemptReport, Command, CommandBody } from "./command.ts";

const NAMED_MAX = 3;

/** For `nl cluster log`: what an entry does, in one line. Names are cleaned by who prints them. */
export function describeCommand(command: Command): {
  readonly kind: string;
  readonly line: string;
} {
  return { kind: command.body.kind, line: lineFor(command.body) };
}

function lineFor(body: CommandBody): string {
  switch (body.kind) {
    case "submit-jobs":
      return `submit ${listed(body.jobs.map(({ jobId }) => jobId))}`;
    case "cancel-job":
      return `cancel ${body.jobId}`;
    case "assign-attempts":
      return `assign ${listed(
        body.assignments.map(({ jobId, number, nodeId }) => `${jobId}.${number} to ${nodeId}`),
      )}`;
    case "report-attempts":
      return `report ${listed(body.reports.map(reported))}`;
    case "register-node":
      return `register ${body.node.nodeId} at ${body.node.rpcAddress}`;
    case "mark-node":
      return `mark ${body.nodeId} ${body.liveness}`;
    case "drain-node":
      return `drain ${body.nodeId} within ${Math.round(body.deadlineMillis / 1000)} s`;
    case "undrain-node":
      return `undrain ${body.nodeId}`;
    case "raise-feature-level":
      return `raise the feature level to ${body.featureLevel}`;
    case "create-join-token":
      return `create join token ${body.tokenId} for a ${body.role}`;
    case "revoke-join-token":
      return `revoke join token ${body.tokenId}`;
    case "redeem-join-token":
      return `join ${body.node.name || "a node"} at ${body.node.rpcAddress} by token ${body.tokenId}`;
    case "set-seat":
      return `make ${body.nodeId} a ${body.seat}`;
    case "leave-node":
      return `let ${body.nodeId} leave`;
    case "forget-node":
      return `forget ${body.nodeId}`;
    case "note-members":
      return `members are now: ${numbered("voter", body.voters)}${numbered(", learner", body.learners)}`;
    default:
      return unreachable(body);
  }
}

const numbered = (word: string, peers: readonly number[]): string =>
  peers.length === 0 ? "" : `${word}s ${peers.join(" ")}`;

function reported(report: AttemptReport): string {
  if (report.phase !== "exited") return `${report.attemptId} ${report.phase}`;
  if (report.exitCode !== null) return `${report.attemptId} ${report.end} ${report.exitCode}`;
  return `${report.attemptId} ${report.end}`;
}

function listed(names: readonly string[]): string {
  const rest = names.length - NAMED_MAX;
  const shown = names.slice(0, NAMED_MAX).join(", ");
  return rest > 0 ? `${shown} and ${rest} more` : shown;
}
