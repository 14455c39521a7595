import type { RegisterNode as RegisterMessage } from "../../../proto/gen/nl/v1/command.ts";
import type {
  HeartbeatRequest,
  HeartbeatResponse,
  RegisterResponse,
  ReportRequest,
  ReportResponse,
} from "../../../proto/gen/nl/v1/worker.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { AttemptId, NodeId, UnixMillis } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Heartbeat } from "../../platform/control-link.ts";
import type { RegisterNode } from "../../state/command.ts";
import { registerFromWire, reportFromWire } from "../../state/command-codec.ts";
import { authorOf, type Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";

/** Runs at the leader. A node speaks for itself only. */
export function heartbeat(
  context: ApiContext,
  caller: Caller,
  request: HeartbeatRequest,
): Promise<Result<HeartbeatResponse, NlError>> {
  if (!isSelf(caller, request.nodeId)) return refuseOther(caller);
  const beat: Heartbeat = {
    nodeId: request.nodeId as NodeId,
    attemptIds: request.attemptIds as AttemptId[],
    clockAt: request.clockAt as UnixMillis,
    running: request.running,
    memoryUsedBytes: request.memoryUsedBytes,
    cpuUsedMillis: request.cpuUsedMillis,
  };
  return new Promise((resolve) => context.duties.heartbeat(beat, resolve));
}

export function report(
  context: ApiContext,
  caller: Caller,
  request: ReportRequest,
): Promise<Result<ReportResponse, NlError>> {
  if (!request.reports.every((one) => isSelf(caller, one.nodeId))) return refuseOther(caller);
  const reports = readWire(() => request.reports.map(reportFromWire));
  if (!reports.ok) return Promise.resolve(reports);
  return new Promise((resolve) =>
    context.duties.report(reports.value, (done) =>
      resolve(done.ok ? ok({ index: done.value }) : done),
    ),
  );
}

export function register(
  context: ApiContext,
  caller: Caller,
  request: RegisterMessage,
): Promise<Result<RegisterResponse, NlError>> {
  if (!isSelf(caller, request.nodeId)) return refuseOther(caller);
  const node = readWire(() => registerFromWire(request));
  if (!node.ok) return Promise.resolve(node);
  if (!mayHaveRoles(context, node.value)) return refuseServer(node.value.nodeId);
  return new Promise((resolve) =>
    context.duties.register(node.value, (done) =>
      resolve(done.ok ? ok({ index: done.value }) : done),
    ),
  );
}

/** Servers are told by the table of members: a server may relay calls of every user. */
function mayHaveRoles({ replica }: ApiContext, { nodeId, roles }: RegisterNode): boolean {
  if (!roles.includes("server")) return true;
  return replica.view.nodes.get(nodeId)?.roles.includes("server") ?? false;
}

const refuseServer = (nodeId: NodeId): Promise<Result<never, NlError>> =>
  Promise.resolve(
    err(
      nlError(
        "forbidden",
        `node ${nodeId} is not a server of this cluster`,
        "a new server joins by nl cluster join",
      ),
    ),
  );

/** The codec throws at a word it does not know; here that is a node of another version. */
function readWire<T>(read: () => T): Result<T, NlError> {
  try {
    return ok(read());
  } catch (error) {
    return err(
      nlError(
        "invalid_argument",
        `the request cannot be understood: ${String(error)}`,
        "bring this node to the version of the cluster",
      ),
    );
  }
}

const isSelf = (caller: Caller, nodeId: string): boolean =>
  caller.principal.kind === "node" && caller.principal.nodeId === nodeId;

const refuseOther = (caller: Caller): Promise<Result<never, NlError>> =>
  Promise.resolve(
    err(
      nlError(
        "forbidden",
        `${authorOf(caller.principal)} may speak for itself only`,
        "every node uses the certificate that was issued for it",
      ),
    ),
  );
