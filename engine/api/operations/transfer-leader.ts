import type {
  TransferLeaderRequest,
  TransferLeaderResponse,
} from "../../../proto/gen/nl/v1/cluster.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { NodeId, PeerId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { TransferOutcome } from "../../replica/replica.ts";
import { isName } from "../../security/identity.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { noLeader, unknownNode } from "../refusals.ts";

type Target = { readonly nodeId: NodeId; readonly peerId: PeerId };

/** Runs at the leader. */
export async function transferLeader(
  context: ApiContext,
  _caller: Caller,
  request: TransferLeaderRequest,
): Promise<Result<TransferLeaderResponse, NlError>> {
  const target = request.to === "" ? mostCaughtUp(context) : named(context, request.to);
  if (!target.ok) return target;
  const { nodeId, peerId } = target.value;
  if (nodeId === context.nodeId) {
    return err(nlError("wrong_state", `node ${nodeId} leads already`, "name another node"));
  }
  return new Promise((resolve) => {
    context.replica.transferLeader(peerId, (done) => {
      if (done.ok) resolve(ok({ leaderId: nodeId, term: done.value }));
      else resolve(err(done.error === "not-leader" ? noLeader() : failed(nodeId, done.error)));
    });
  });
}

function named(context: ApiContext, to: string): Result<Target, NlError> {
  const node = isName(to) ? context.replica.view.nodes.get(to as NodeId) : undefined;
  if (node === undefined) return err(unknownNode(to.replaceAll(/[^\w.-]/g, "?")));
  const { conf } = context.replica.status().raft;
  if (conf.voters.includes(node.peerId)) return ok({ nodeId: node.id, peerId: node.peerId });
  return err(
    nlError("wrong_state", `node ${to} has no vote`, "leadership can go to a voting server only"),
  );
}

function mostCaughtUp(context: ApiContext): Result<Target, NlError> {
  const { raft } = context.replica.status();
  const best = raft.progress
    .filter((peer) => peer.active && raft.conf.voters.includes(peer.id) && peer.id !== raft.id)
    .sort((a, b) => b.match - a.match)[0];
  for (const node of context.replica.view.nodes.values()) {
    if (node.peerId === best?.id) return ok({ nodeId: node.id, peerId: node.peerId });
  }
  return err(
    nlError("transfer_failed", "no other voting server is connected", "nl status shows the peers"),
  );
}

function failed(nodeId: NodeId, outcome: TransferOutcome): NlError {
  switch (outcome) {
    case "target-behind":
      return transferFailed(`node ${nodeId} did not catch up in time`);
    case "timed-out":
      return transferFailed(`node ${nodeId} did not take over in time`);
    case "lost-leadership":
      return transferFailed("this node lost leadership to another node meanwhile");
    case "done":
      return transferFailed("leadership moved without an answer");
  }
}

const transferFailed = (message: string): NlError =>
  nlError("transfer_failed", message, "nl status shows who leads; try again");
