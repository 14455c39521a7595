import type { PeerId } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { PeerAddress } from "../platform/transport.ts";
import type { Principal } from "../security/identity.ts";
import type { Hello } from "./frame-codec.ts";

/** Who this process is, and what it knows of the others, at the moment of a handshake. */
export type Membership = {
  readonly clusterId: string;
  readonly self: PeerId;
  readonly peers: ReadonlyMap<PeerId, PeerAddress>;
  /** No id below it is given any more: one that is not in the table was removed. */
  readonly nextPeerId: PeerId;
};

export type HandshakeError = {
  readonly kind:
    | "not-a-node"
    | "wrong-cluster"
    | "wrong-peer"
    | "wrong-node"
    | "wrong-store"
    | "removed"
    | "stale-life"
    | "not-ready";
  readonly detail: string;
};

/** How this process and another one present themselves, on every kind of stream between nodes. */
export type Handshake = {
  helloTo(to: PeerId): Hello;
  /** Whether the speaker may come in, and what the table says of it. */
  admit(hello: Hello, principal: Principal): Result<PeerAddress, HandshakeError>;
};

/**
 * Whether the sender of a hello may speak Raft with us (DESIGN §4, Bootstrap and identity): its
 * certificate names a node; a known id shows its node and its store; an id that is not in the table
 * yet is let in and checked again when the table changes.
 */
export function checkHello(
  hello: Hello,
  principal: Principal,
  membership: Membership,
): Result<PeerAddress, HandshakeError> {
  if (principal.kind !== "node") {
    return refuse("not-a-node", "a user's certificate cannot speak Raft");
  }
  if (hello.clusterId !== membership.clusterId) {
    return refuse("wrong-cluster", `this node belongs to cluster ${membership.clusterId}`);
  }
  if (hello.to !== membership.self || hello.from === membership.self) {
    return refuse("wrong-peer", `this node is peer ${membership.self}, not ${hello.to}`);
  }
  const { from: peerId, storeId, address } = hello;
  return checkAgainstTable({ peerId, nodeId: principal.nodeId, storeId, address }, membership);
}

/** The part of the check that a change of the table repeats. */
export function checkAgainstTable(
  claim: PeerAddress,
  membership: Membership,
): Result<PeerAddress, HandshakeError> {
  const { peerId, nodeId, storeId } = claim;
  const known = membership.peers.get(peerId);
  if (known === undefined) {
    if (peerId < membership.nextPeerId) {
      return refuse("removed", `peer ${peerId} was removed from the cluster`);
    }
    const taken = [...membership.peers.values()].some((peer) => peer.nodeId === nodeId);
    return taken ? refuse("wrong-node", `${nodeId} is another peer than ${peerId}`) : ok(claim);
  }
  if (known.nodeId !== nodeId) {
    return refuse("wrong-node", `peer ${peerId} is ${known.nodeId}, not ${nodeId}`);
  }
  if (known.storeId !== storeId) {
    return refuse("wrong-store", `${nodeId} shows another data directory than it joined with`);
  }
  return ok(known);
}

const refuse = (kind: HandshakeError["kind"], detail: string): Result<never, HandshakeError> =>
  err({ kind, detail });
