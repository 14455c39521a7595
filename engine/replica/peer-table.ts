import { NOBODY, type PeerId } from "../lib/ids.ts";
import type { SnapshotLink } from "../platform/snapshot-link.ts";
import type { PeerAddress, Transport } from "../platform/transport.ts";
import type { ClusterView } from "../state/cluster-state.ts";

/**
 * The other servers of the replicated table, in order of their ids: also who is not in the Raft
 * group yet, so that a newcomer is dialled, and who has just left it, so that it hears of that.
 */
function peersOf(view: ClusterView, self: PeerId): readonly PeerAddress[] {
  const peers: PeerAddress[] = [];
  for (const node of view.nodes.values()) {
    if (node.peerId === NOBODY || node.peerId === self) continue;
    const { peerId, id, storeId, rpcAddress } = node;
    peers.push({ peerId, nodeId: id, storeId, address: rpcAddress });
  }
  return peers.sort((left, right) => left.peerId - right.peerId);
}

type Links = { readonly transport: Transport; readonly snapshotLink: SnapshotLink };

/** Tells both ways to the peers about them, but only when the table changed. */
export class PeerTable {
  readonly #links: Links;
  readonly #self: PeerId;
  #known = "";

  constructor(links: Links, self: PeerId) {
    this.#links = links;
    this.#self = self;
  }

  update(view: ClusterView): void {
    const peers = peersOf(view, this.#self);
    const text = JSON.stringify([peers, view.nextPeerId]);
    if (text === this.#known) return;
    this.#known = text;
    this.#links.transport.setPeers(peers, view.nextPeerId);
    this.#links.snapshotLink.setPeers(peers);
  }
}
