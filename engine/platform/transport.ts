import type { NodeId, PeerId } from "../lib/ids.ts";
import type { Message } from "../raft/types.ts";

/** Where a peer is, and what it must show in the handshake (DESIGN, Bootstrap and identity). */
export type PeerAddress = {
  readonly peerId: PeerId;
  readonly nodeId: NodeId;
  readonly storeId: string;
  /** `host:port` of its gRPC listener. */
  readonly address: string;
};

export type TransportEvent =
  | { readonly kind: "message"; readonly message: Message }
  /** The last stream to or from this peer closed. */
  | { readonly kind: "peer-closed"; readonly peer: PeerId }
  /** A redial was refused: nobody listens there, the process is gone (contract 17). */
  | { readonly kind: "peer-refused"; readonly peer: PeerId }
  | { readonly kind: "peer-opened"; readonly peer: PeerId }
  /** This member says that this node was removed from the cluster, which is never taken back. */
  | { readonly kind: "removed-by"; readonly peer: PeerId; readonly detail: string };

/**
 * Carries Raft messages between peers. Lossy by contract: it may drop, never blocks, keeps the
 * order per peer, and never delivers what was queued by or for an earlier life of a process.
 * Implementations pass `tests/contracts/transport.ts`.
 */
export interface Transport {
  /** Events arrive on the receiver's own turn, never inside `send`. */
  start(onEvent: (event: TransportEvent) => void): void;
  /**
   * Replaces the table of peers; links to peers no longer in it are closed. Ids below `nextPeerId`
   * that are not in it were removed, and are told so; others are let in, as the table may be behind.
   */
  setPeers(peers: readonly PeerAddress[], nextPeerId: PeerId): void;
  send(message: Message): void;
  stop(): void;
}
