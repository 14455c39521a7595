import type { UnixMillis } from "../../lib/ids.ts";
import type { Applying } from "../applying.ts";
import type { CommandBody, Outcome } from "../command.ts";

type DrainNode = Extract<CommandBody, { kind: "drain-node" }>;

/**
 * Records the intent: ineligible from here on, for every leader to come (SEMANTICS S10). Draining
 * again moves the deadline; "drained" is not a state but the absence of live attempts.
 */
export function applyDrainNode(applying: Applying, command: DrainNode): Outcome {
  const { nodeId } = command;
  const node = applying.state.nodes.get(nodeId);
  if (node === undefined) return { kind: "refused", refusal: { kind: "unknown-node", nodeId } };
  if (node.seat === "leaving") return { kind: "refused", refusal: { kind: "leaving", nodeId } };
  applying.putNode({
    ...node,
    drain: {
      startedAt: node.drain?.startedAt ?? applying.at,
      deadlineAt: (applying.at + command.deadlineMillis) as UnixMillis,
      message: command.message,
      principal: applying.principal,
    },
  });
  return applying.done(node.drain !== null);
}
