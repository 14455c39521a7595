import type {
  DrainNodeRequest,
  DrainNodeResponse,
  ListNodesRequest,
  ListNodesResponse,
  UndrainNodeRequest,
  UndrainNodeResponse,
} from "../../../proto/gen/nl/v1/nodes.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { NodeId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { isName } from "../../security/identity.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { nodeMessage } from "../messages/node-message.ts";
import { proposeOne } from "./propose.ts";
import { readView } from "./read.ts";

/** SEMANTICS §2, Drain: running work may finish until then. */
const DRAIN_DEADLINE_MILLIS = 3_600_000;
const DRAIN_DEADLINE_MILLIS_MAX = 30 * 24 * 3_600_000;
const DRAIN_MESSAGE_LENGTH_MAX = 1_024;

export async function listNodes(
  context: ApiContext,
  caller: Caller,
  request: ListNodesRequest,
): Promise<Result<ListNodesResponse, NlError>> {
  const reading = await readView(context, caller, request.stale);
  if (!reading.ok) return reading;
  const { view } = reading.value;
  const hearings = context.digests.hearings();
  const nodes = [...view.nodes.values()]
    .sort((a, b) => (a.id < b.id ? -1 : 1))
    .map((node) => nodeMessage(node, view, hearings.get(node.id)));
  return ok({ nodes, index: view.appliedIndex });
}

export async function drainNode(
  context: ApiContext,
  caller: Caller,
  request: DrainNodeRequest,
): Promise<Result<DrainNodeResponse, NlError>> {
  const nodeId = nodeName(request.nodeId);
  if (!nodeId.ok) return nodeId;
  const refusal = refuseDrain(request);
  if (refusal !== null) return err(refusal);
  const drained = await proposeOne(context, caller, {
    body: {
      kind: "drain-node",
      nodeId: nodeId.value,
      deadlineMillis: request.deadlineMillis || DRAIN_DEADLINE_MILLIS,
      message: request.message,
    },
    subject: `the drain of node ${nodeId.value}`,
  });
  return drained.ok ? ok({ index: drained.value.index }) : drained;
}

export async function undrainNode(
  context: ApiContext,
  caller: Caller,
  request: UndrainNodeRequest,
): Promise<Result<UndrainNodeResponse, NlError>> {
  const nodeId = nodeName(request.nodeId);
  if (!nodeId.ok) return nodeId;
  const undrained = await proposeOne(context, caller, {
    body: { kind: "undrain-node", nodeId: nodeId.value },
    subject: `the undrain of node ${nodeId.value}`,
  });
  return undrained.ok ? ok({ index: undrained.value.index }) : undrained;
}

/** Whether the node exists is decided at apply; that the text can be a name, here. */
const nodeName = (id: string): Result<NodeId, NlError> =>
  isName(id)
    ? ok(id as NodeId)
    : err(nlError("invalid_argument", "this is not a node's id", "nl node ls lists them"));

function refuseDrain(request: DrainNodeRequest): NlError | null {
  if (request.deadlineMillis > DRAIN_DEADLINE_MILLIS_MAX) {
    return nlError("invalid_argument", "deadline: at most 30 days", "give a shorter one");
  }
  if (request.message.length > DRAIN_MESSAGE_LENGTH_MAX || request.message.includes("\uFFFD")) {
    return nlError("invalid_argument", "message: at most 1,024 characters of valid UTF-8");
  }
  return null;
}
