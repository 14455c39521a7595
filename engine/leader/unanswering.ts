import type { NodeId } from "../lib/ids.ts";
import type { Replica } from "../replica/replica.ts";

/**
 * The nodes that do not answer the leader's Raft messages: their process ended, or has not answered
 * this leader yet. Known at once, long before a heartbeat is missed; no proof of anything, so such
 * a node only comes after the others.
 */
export function unanswering(replica: Replica): ReadonlySet<NodeId> {
  const { id, progress } = replica.status().raft;
  const silent = new Set(
    progress
      .filter((peer) => peer.id !== id && (!peer.active || peer.state === "probe"))
      .map((peer) => peer.id),
  );
  return new Set(
    [...replica.view.nodes.values()]
      .filter(({ peerId }) => silent.has(peerId))
      .map((node) => node.id),
  );
}
