import { NOBODY } from "../../lib/ids.ts";
import type { Applying } from "../applying.ts";
import type { CommandBody, Outcome } from "../command.ts";

type SetSeat = Extract<CommandBody, { kind: "set-seat" }>;

/** Records that a server shall vote, or shall not; the leader brings it about. */
export function applySetSeat(applying: Applying, command: SetSeat): Outcome {
  const { nodeId, seat } = command;
  const node = applying.state.nodes.get(nodeId);
  if (node === undefined) return { kind: "refused", refusal: { kind: "unknown-node", nodeId } };
  if (node.peerId === NOBODY) {
    return { kind: "refused", refusal: { kind: "not-a-server", nodeId } };
  }
  if (node.seat === "leaving") return { kind: "refused", refusal: { kind: "leaving", nodeId } };
  if (node.seat === seat) return applying.done(true);
  applying.putNode({ ...node, seat });
  return applying.done();
}
