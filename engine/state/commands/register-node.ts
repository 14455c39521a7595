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
  if (known === undefined) {
    return isPeerTaken(state, node) ? { kind: "wrong-store", nodeId: node.nodeId } : null;
  }
  const isSame = known.storeId === node.storeId && known.peerId === node.peerId;
  return isSame ? null : { kind: "wrong-store", nodeId: node.nodeId };
}

function isPeerTaken(state: ClusterState, node: RegisterNode): boolean {
  if (node.peerId === NOBODY) return false;
  for (const other of state.nodes.values()) if (other.peerId === node.peerId) return true;
  return false;
}
