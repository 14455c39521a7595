import type { Message } from "../raft/types.ts";
import type { PeerAddress } from "./transport.ts";

export type SnapshotMessage = Extract<Message, { kind: "snapshot" }>;

/**
 * Ships snapshots between the `SnapshotStore`s of two nodes, outside of the Raft stream: in pieces,
 * at a bounded pace, going on where an earlier attempt was cut. Implementations pass
 * `tests/contracts/snapshot-link.ts`. All calls back come on a turn of their own; none after `stop`.
 */
export interface SnapshotLink {
  /**
   * `onArrived`: the file is in this node's store, whole and verified: the core may be given the
   * message.
   */
  start(onArrived: (message: SnapshotMessage) => void): void;
  /**
   * At most one transfer for each peer: a later one replaces it, which is then not delivered.
   * `done(true)` once the receiver holds and has verified it. After `false` the driver decides.
   */
  send(message: SnapshotMessage, done: (delivered: boolean) => void): void;
  /** Replaces the table of peers; transfers from and to others are cut. */
  setPeers(peers: readonly PeerAddress[]): void;
  stop(): void;
}
