import { NOBODY, type PeerId } from "../lib/ids.ts";
import type { PeerAddress, Transport } from "../platform/transport.ts";
import type { ConfState } from "../raft/types.ts";
import type { ClusterView } from "../state/cluster-state.ts";

/** Members of a configuration, whatever their part in it. */
function membersOf(conf: ConfState): ReadonlySet<PeerId> {
  return new Set([...conf.voters, ...conf.votersOutgoing, ...conf.learners, ...conf.learnersNext]);
}

/** The other members that the replicated table knows an address for, in order of their ids. */
function peersOf(view: ClusterView, conf: ConfState, self: PeerId): readonly PeerAddress[] {
  const members = membersOf(conf);
  const peers: PeerAddress[] = [];
  for (const node of view.nodes.values()) {
    if (node.peerId === NOBODY || node.peerId === self || !members.has(node.peerId)) continue;
    const { peerId, id, storeId, rpcAddress } = node;
    peers.push({ peerId, nodeId: id, storeId, address: rpcAddress });
  }
  return peers.sort((left, right) => left.peerId - right.peerId);
}

/** Tells the transport about peers, but only when the table changed. */
export class PeerTable {
  readonly #transport: Transport;
  readonly #self: PeerId;
  #known = "";

  constructor(transport: Transport, self: PeerId) {
    this.#transport = transport;
    this.#self = self;
  }

  update(view: ClusterView, conf: ConfState): void {
    const peers = peersOf(view, conf, this.#self);
    const text = JSON.stringify(peers);
    if (text === this.#known) return;
    this.#known = text;
    this.#transport.setPeers(peers);
  }
}
