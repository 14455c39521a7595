import type { Node as NodeMessage } from "../../../proto/gen/nl/v1/nodes.ts";
import type { ClusterView, NodeRecord } from "../../state/cluster-state.ts";
import type { NodeHearing } from "../leader-duties.ts";

/** A node as every screen shows it. `hearing` is what the leader knows; undefined = not known. */
export function nodeMessage(
  node: NodeRecord,
  view: ClusterView,
  hearing: NodeHearing | undefined,
): NodeMessage {
  const live = view.liveAttempts(node.id);
  const running = live.filter((attempt) => attempt.state === "running").length;
  return {
    id: node.id,
    peerId: node.peerId,
    roles: [...node.roles],
    rpcAddress: node.rpcAddress,
    httpAddress: node.httpAddress,
    liveness: node.liveness === "alive" && hearing?.suspect === true ? "suspect" : node.liveness,
    eligibility: eligibility(node, live.length),
    drainDeadlineAt: node.drain?.deadlineAt ?? 0,
    cpuMillis: node.cpuMillis,
    memoryBytes: node.memoryBytes,
    slots: node.slots,
    running,
    assigned: live.length - running,
    drivers: [...node.drivers],
    labels: { ...node.labels },
    version: node.version,
    lastHeardMillis: Math.max(0, Math.round(hearing?.lastHeardMillis ?? 0)),
  };
}

function eligibility(node: NodeRecord, liveAttempts: number): string {
  if (node.drain === null) return "ready";
  return liveAttempts === 0 ? "drained" : "draining";
}
