import type { Applying } from "../applying.ts";
import type { NodeRecord } from "../cluster-state.ts";
import type { CommandBody, Outcome } from "../command.ts";
import { settleJob } from "../settle-job.ts";

type ForgetNode = Extract<CommandBody, { kind: "forget-node" }>;

/**
 * The last step of leaving: the record goes. Only a node that is lost may still have attempts here,
 * those that wait for it; as it never comes back, they end (SEMANTICS, Node lost).
 */
export function applyForgetNode(applying: Applying, command: ForgetNode): Outcome {
  const { state } = applying;
  const { nodeId } = command;
  const node = state.nodes.get(nodeId);
  if (node === undefined) return { kind: "refused", refusal: { kind: "unknown-node", nodeId } };
  if (node.seat !== "leaving") {
    return { kind: "refused", refusal: { kind: "not-leaving", nodeId } };
  }
  if (node.liveness === "alive" && state.liveAttempts(nodeId).length > 0) {
    return { kind: "refused", refusal: { kind: "still-working", nodeId } };
  }
  endAttempts(applying, node);
  applying.removeNode(node);
  return applying.done();
}

function endAttempts(applying: Applying, node: NodeRecord): void {
  for (const attempt of applying.state.liveAttempts(node.id)) {
    const lost = {
      ...attempt,
      state: "lost" as const,
      finishedAt: applying.at,
      detail: `node ${node.id} was removed from the cluster`,
    };
    applying.putAttempt(lost);
    settleJob(applying, lost, { kind: "node-removed" });
  }
}
