import type { Applying } from "../applying.ts";
import type { CommandBody, Outcome } from "../command.ts";

type UndrainNode = Extract<CommandBody, { kind: "undrain-node" }>;

/** Takes the intent back: what still runs there goes on, and new work may come. */
export function applyUndrainNode(applying: Applying, command: UndrainNode): Outcome {
  const { nodeId } = command;
  const node = applying.state.nodes.get(nodeId);
  if (node === undefined) return { kind: "refused", refusal: { kind: "unknown-node", nodeId } };
  if (node.seat === "leaving") return { kind: "refused", refusal: { kind: "leaving", nodeId } };
  if (node.drain === null) return { kind: "refused", refusal: { kind: "not-draining", nodeId } };
  applying.putNode({ ...node, drain: null });
  return applying.done();
}
