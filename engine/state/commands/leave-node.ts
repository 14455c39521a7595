import type { UnixMillis } from "../../lib/ids.ts";
import type { Applying } from "../applying.ts";
import type { CommandBody, Outcome } from "../command.ts";

type LeaveNode = Extract<CommandBody, { kind: "leave-node" }>;

/**
 * Records that a node leaves for good. It drains like any other, keeps its vote until nothing runs
 * on it any more, and there is no way back: asking again only moves the deadline.
 */
export function applyLeaveNode(applying: Applying, command: LeaveNode): Outcome {
  const { nodeId } = command;
  const node = applying.state.nodes.get(nodeId);
  if (node === undefined) return { kind: "refused", refusal: { kind: "unknown-node", nodeId } };
  applying.putNode({
    ...node,
    seat: "leaving",
    drain: {
      startedAt: node.drain?.startedAt ?? applying.at,
      deadlineAt: (applying.at + command.deadlineMillis) as UnixMillis,
      message: "leaving the cluster",
      principal: applying.principal,
    },
  });
  return applying.done(node.seat === "leaving");
}
