import * as wire from "../../proto/gen/nl/v1/command.ts";
import { unreachable } from "../lib/assert.ts";
import type { AttemptId, Index, JobId, NodeId, PeerId, UnixMillis } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { AttemptCause, AttemptEnd, NodeRole } from "./cluster-state.ts";
import type { AttemptReport, Command, CommandBody, JoiningNode, RegisterNode } from "./command.ts";
import { FEATURE_LEVEL } from "./feature-level.ts";

export type CommandDecodeError =
  | { readonly kind: "level"; readonly level: number }
  | { readonly kind: "unknown"; readonly detail: string };

export function encodeCommand(command: Command): Uint8Array {
  return wire.Command.encode({
    level: command.level,
    at: command.at,
    principal: command.principal,
    kind: toWire(command.body),
  }).finish();
}

/** Refuses what it does not know, word by word: a command half understood is not understood. */
export function decodeCommand(bytes: Uint8Array): Result<Command, CommandDecodeError> {
  try {
    const message = wire.Command.decode(bytes);
    if (message.level > FEATURE_LEVEL) return err({ kind: "level", level: message.level });
    return ok({
      level: message.level,
      at: message.at as UnixMillis,
      principal: message.principal,
      body: fromWire(message.kind),
    });
  } catch (cause) {
    return err({ kind: "unknown", detail: cause instanceof Error ? cause.message : "unreadable" });
  }
}

type WireKind = NonNullable<wire.Command["kind"]>;

function toWire(body: CommandBody): WireKind {
  switch (body.kind) {
    case "submit-jobs":
      return { $case: "submitJobs", value: { jobs: body.jobs.map(submittedToWire) } };
    case "cancel-job":
      return { $case: "cancelJob", value: { jobId: body.jobId } };
    case "assign-attempts":
      return { $case: "assignAttempts", value: { assignments: [...body.assignments] } };
    case "report-attempts":
      return { $case: "reportAttempts", value: { reports: body.reports.map(reportToWire) } };
    case "register-node":
      return { $case: "registerNode", value: registerToWire(body.node) };
    case "mark-node":
      return { $case: "markNode", value: { nodeId: body.nodeId, liveness: body.liveness } };
    case "drain-node": {
      const { nodeId, deadlineMillis, message } = body;
      return { $case: "drainNode", value: { nodeId, deadlineMillis, message } };
    }
    case "undrain-node":
      return { $case: "undrainNode", value: { nodeId: body.nodeId } };
    case "raise-feature-level":
      return { $case: "raiseFeatureLevel", value: { featureLevel: body.featureLevel } };
    default:
      return memberToWire(body);
  }
}

type MemberBody = Extract<
  CommandBody,
  {
    kind:
      | "create-join-token"
      | "revoke-join-token"
      | "redeem-join-token"
      | "set-seat"
      | "leave-node"
      | "forget-node"
      | "note-members";
  }
>;

function memberToWire(body: MemberBody): WireKind {
  switch (body.kind) {
    case "create-join-token": {
      const { kind: _, ...value } = body;
      return { $case: "createJoinToken", value };
    }
    case "revoke-join-token":
      return { $case: "revokeJoinToken", value: { tokenId: body.tokenId } };
    case "redeem-join-token": {
      const { tokenId, secretHash, node } = body;
      return { $case: "redeemJoinToken", value: { tokenId, secretHash, ...joiningToWire(node) } };
    }
    case "set-seat":
      return { $case: "setSeat", value: { nodeId: body.nodeId, seat: body.seat } };
    case "leave-node": {
      const { nodeId, deadlineMillis } = body;
      return { $case: "leaveNode", value: { nodeId, deadlineMillis } };
    }
    case "forget-node":
      return { $case: "forgetNode", value: { nodeId: body.nodeId } };
    case "note-members": {
      const value = { voters: [...body.voters], learners: [...body.learners] };
      return { $case: "noteMembers", value };
    }
    default:
      return unreachable(body);
  }
}

function fromWire(kind: wire.Command["kind"]): CommandBody {
  switch (kind?.$case) {
    case "submitJobs":
      return { kind: "submit-jobs", jobs: kind.value.jobs.map(submittedFromWire) };
    case "cancelJob":
      return { kind: "cancel-job", jobId: kind.value.jobId as JobId };
    case "assignAttempts":
      return {
        kind: "assign-attempts",
        assignments: kind.value.assignments.map(assignmentFromWire),
      };
    case "reportAttempts":
      return { kind: "report-attempts", reports: kind.value.reports.map(reportFromWire) };
    case "registerNode":
      return { kind: "register-node", node: registerFromWire(kind.value) };
    case "markNode": {
      const liveness = known(LIVENESS, kind.value.liveness);
      return { kind: "mark-node", nodeId: kind.value.nodeId as NodeId, liveness };
    }
    case "drainNode": {
      const { nodeId, deadlineMillis, message } = kind.value;
      return { kind: "drain-node", nodeId: nodeId as NodeId, deadlineMillis, message };
    }
    case "undrainNode":
      return { kind: "undrain-node", nodeId: kind.value.nodeId as NodeId };
    case "raiseFeatureLevel":
      return { kind: "raise-feature-level", featureLevel: kind.value.featureLevel };
    default:
      return memberFromWire(kind);
  }
}

function memberFromWire(kind: wire.Command["kind"]): MemberBody {
  switch (kind?.$case) {
    case "createJoinToken":
      return { kind: "create-join-token", ...kind.value, role: known(ROLES, kind.value.role) };
    case "revokeJoinToken":
      return { kind: "revoke-join-token", tokenId: kind.value.tokenId };
    case "redeemJoinToken": {
      const { tokenId, secretHash } = kind.value;
      const node = joiningFromWire(kind.value);
      return { kind: "redeem-join-token", tokenId, secretHash, node };
    }
    case "setSeat": {
      const seat = known(GIVEN_SEATS, kind.value.seat);
      return { kind: "set-seat", nodeId: kind.value.nodeId as NodeId, seat };
    }
    case "leaveNode": {
      const { nodeId, deadlineMillis } = kind.value;
      return { kind: "leave-node", nodeId: nodeId as NodeId, deadlineMillis };
    }
    case "forgetNode":
      return { kind: "forget-node", nodeId: kind.value.nodeId as NodeId };
    case "noteMembers": {
      const { voters, learners } = kind.value;
      const members = { voters: voters as PeerId[], learners: learners as PeerId[] };
      return { kind: "note-members", ...members };
    }
    default:
      throw new Error("it names no command");
  }
}

const joiningToWire = ({ seat, ...node }: JoiningNode) => ({
  ...node,
  learner: seat === "learner",
});

const joiningFromWire = (node: wire.RedeemJoinToken): JoiningNode => ({
  name: node.name as NodeId | "",
  storeId: node.storeId,
  rpcAddress: node.rpcAddress,
  httpAddress: node.httpAddress,
  seat: node.learner ? "learner" : "voter",
  featureLevel: node.featureLevel,
  version: node.version,
});

/** The generated type says Buffer; writing needs no more than bytes, so they are not copied. */
const submittedToWire = (job: { readonly jobId: JobId; readonly spec: Uint8Array }) => ({
  jobId: job.jobId,
  spec: job.spec as Buffer,
});

const submittedFromWire = (job: wire.SubmittedJob) => ({
  jobId: job.jobId as JobId,
  spec: job.spec,
});

const assignmentFromWire = (assignment: wire.Assignment) => ({
  jobId: assignment.jobId as JobId,
  number: assignment.number,
  nodeId: assignment.nodeId as NodeId,
  cause: known(CAUSES, assignment.cause),
});

/** Field by field: a `null` must become an absent field, and nothing else may slip in. */
export const reportToWire = (report: AttemptReport): wire.AttemptReport => ({
  attemptId: report.attemptId,
  nodeId: report.nodeId,
  fence: report.fence,
  phase: report.phase,
  startedAt: report.startedAt ?? 0,
  finishedAt: report.finishedAt ?? 0,
  end: report.end ?? "",
  exitCode: report.exitCode ?? undefined,
  signal: report.signal,
  detail: report.detail,
  stdoutBytes: report.stdoutBytes,
  stderrBytes: report.stderrBytes,
  outputAtLeast: report.outputAtLeast,
  driver: report.driver,
  peakMemoryBytes: report.peakMemoryBytes,
});

export const reportFromWire = (report: wire.AttemptReport): AttemptReport => ({
  attemptId: report.attemptId as AttemptId,
  nodeId: report.nodeId as NodeId,
  fence: report.fence as Index,
  phase: known(PHASES, report.phase),
  startedAt: report.startedAt === 0 ? null : (report.startedAt as UnixMillis),
  finishedAt: report.finishedAt === 0 ? null : (report.finishedAt as UnixMillis),
  end: report.end === "" ? null : known(ENDS, report.end),
  exitCode: report.exitCode ?? null,
  signal: report.signal,
  detail: report.detail,
  stdoutBytes: report.stdoutBytes,
  stderrBytes: report.stderrBytes,
  outputAtLeast: report.outputAtLeast,
  driver: report.driver,
  peakMemoryBytes: report.peakMemoryBytes,
});

export const registerToWire = (node: RegisterNode): wire.RegisterNode => ({
  ...node,
  roles: [...node.roles],
  drivers: [...node.drivers],
  labels: { ...node.labels },
});

export const registerFromWire = (node: wire.RegisterNode): RegisterNode => ({
  ...node,
  nodeId: node.nodeId as NodeId,
  peerId: node.peerId as PeerId,
  roles: node.roles.map((role) => known(ROLES, role)),
});

const LIVENESS = ["alive", "lost"] as const;
const PHASES = ["starting", "running", "exited", "declined"] as const;
const ROLES = ["server", "worker"] as const satisfies readonly NodeRole[];
const GIVEN_SEATS = ["voter", "learner"] as const;
const CAUSES = [
  "first",
  "retry",
  "node-lost",
  "drain",
  "declined",
  "agent-fault",
] as const satisfies readonly AttemptCause[];
const ENDS = [
  "exited",
  "signalled",
  "timeout",
  "start-timeout",
  "oom-killed",
  "cancelled",
  "output-limit",
  "not-started",
  "no-docker",
  "no-image",
  "lease-lost",
  "drained",
  "agent-fault",
] as const satisfies readonly AttemptEnd[];

/** Throws: whoever decodes (`decodeCommand`, the API) makes a value of it. */
function known<Word extends string>(words: readonly Word[], word: string): Word {
  const found = words.find((candidate) => candidate === word);
  if (found === undefined) throw new Error(`it says ${JSON.stringify(word)}`);
  return found;
}
