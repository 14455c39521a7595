import { NOBODY } from "../../lib/ids.ts";
import type { Applying } from "../applying.ts";
import type { CommandBody, Outcome, Refusal, RegisterNode } from "../command.ts";
import type { ClusterState } from "../create-state.ts";

type RegisterNodeBody = Extract<CommandBody, { kind: "register-node" }>;

/**
 * A node says what it is and what it can run; a restarted one says it again. A known name with
 * another store is a wiped or copied data directory: it is not that node (DESIGN, Identity).
 */
export function applyRegisterNode(applying: Applying, command: RegisterNodeBody): Outcome {
  const { node } = command;
  const refusal = refusalFor(applying.state, node);
  if (refusal !== null) return { kind: "refused", refusal };

  const known = applying.state.nodes.get(node.nodeId);
  applying.putNode({
    id: node.nodeId,
    peerId: known?.peerId ?? node.peerId,
    seat: known?.seat ?? "none",
    storeId: node.storeId,
    roles: node.roles,
    rpcAddress: node.rpcAddress,
    httpAddress: node.httpAddress,
    liveness: "alive",
    drain: known?.drain ?? null,
    cpuMillis: node.cpuMillis,
    memoryBytes: node.memoryBytes,
    slots: node.slots,
    drivers: node.drivers,
    labels: node.labels,
    featureLevel: node.featureLevel,
    version: node.version,
    registered: true,
  });
  return applying.done(known?.registered ?? false);
}

function refusalFor(state: ClusterState, node: RegisterNode): Refusal | null {
  if (node.featureLevel < state.featureLevel) {
    return { kind: "feature-level", featureLevel: state.featureLevel };
  }
  const known = state.nodes.get(node.nodeId);
  if (known === undefined) return refusalForUnknown(state, node);
  const isSame = known.storeId === node.storeId && known.peerId === node.peerId;
  return isSame ? null : { kind: "wrong-store", nodeId: node.nodeId };
}

/** Workers may come by registering alone; servers join, and get their peer id there. */
function refusalForUnknown(state: ClusterState, { nodeId, peerId }: RegisterNode): Refusal | null {
  if (state.formerNodes.has(nodeId)) return { kind: "removed-node", nodeId };
  if (peerId === NOBODY) return null;
  for (const other of state.nodes.values()) {
    if (other.peerId === peerId) return { kind: "wrong-store", nodeId };
  }
  return peerId < state.nextPeerId
    ? { kind: "removed-node", nodeId }
    : { kind: "unknown-node", nodeId };
}
