import { type ChannelCredentials, credentials, type Server, status } from "@grpc/grpc-js";
import type { PeerId } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Clock } from "../platform/clock.ts";
import type { Logger } from "../platform/logger.ts";
import type { SnapshotLink, SnapshotMessage } from "../platform/snapshot-link.ts";
import type { SnapshotStore } from "../platform/snapshot-store.ts";
import type { Timers } from "../platform/timers.ts";
import type { PeerAddress } from "../platform/transport.ts";
import type { TlsIdentity } from "../security/certificate-files.ts";
import { identifyCaller, type Principal } from "../security/identity.ts";
import { mayCall } from "../security/roles.ts";
import type { Hello } from "./frame-codec.ts";
import type { Handshake, HandshakeError } from "./handshake.ts";
import { IncomingSnapshot } from "./incoming-snapshot.ts";
import { OutgoingSnapshot } from "./outgoing-snapshot.ts";
import { Pace } from "./pace.ts";
import { RAFT_SERVICE, type RaftCall } from "./raft-service.ts";
import { CHUNK_BYTES_MAX } from "./snapshot-frames.ts";

/** Sending costs about 10 ms of CPU a MiB: a third of the time of the thread that leads. */
const BYTES_PER_SECOND = 32 * 1024 * 1024;
/** Incoming transfers at once: each peer has one, and it takes a node's certificate to be one. */
const INCOMING_MAX = 32;

export type GrpcSnapshotLinkOptions = {
  readonly clusterId: string;
  /** The transport's: whoever may speak Raft may send a snapshot. */
  readonly handshake: Handshake;
  readonly tls: TlsIdentity;
  readonly store: SnapshotStore;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly logger: Logger;
  /** What leaves in all, to all peers. */
  readonly bytesPerSecond?: number;
  readonly chunkBytes?: number;
};

type Sending = { readonly transfer: OutgoingSnapshot; readonly done: (delivered: boolean) => void };
type Receiving = {
  readonly transfer: IncomingSnapshot;
  readonly hello: Hello;
  readonly principal: Principal;
};

/** Snapshots over gRPC: each transfer has a connection of its own, beside the one for Raft. */
export class GrpcSnapshotLink implements SnapshotLink {
  readonly #options: GrpcSnapshotLinkOptions;
  readonly #credentials: ChannelCredentials;
  readonly #pace: Pace;
  readonly #sending = new Map<PeerId, Sending>();
  readonly #receiving = new Map<PeerId, Receiving>();
  readonly #unheard = new Set<IncomingSnapshot>();
  #peers: ReadonlyMap<PeerId, PeerAddress> = new Map();
  #onArrived: ((message: SnapshotMessage) => void) | null = null;
  #isStopped = false;

  constructor(options: GrpcSnapshotLinkOptions) {
    const { tls } = options;
    this.#options = options;
    this.#credentials = credentials.createSsl(
      Buffer.from(tls.caPem),
      Buffer.from(tls.keyPem),
      Buffer.from(tls.certificatePem),
    );
    this.#pace = new Pace(options.bytesPerSecond ?? BYTES_PER_SECOND);
  }

  start(onArrived: (message: SnapshotMessage) => void): void {
    this.#onArrived = onArrived;
  }

  send(message: SnapshotMessage, done: (delivered: boolean) => void): void {
    const { to } = message;
    this.#abandon(to);
    const peer = this.#peers.get(to);
    if (peer === undefined || this.#isStopped) {
      this.#soon(() => done(false));
      return;
    }
    const { handshake, timers, clock, store } = this.#options;
    const transfer = new OutgoingSnapshot({
      ...{ peer, message, timers, clock, store },
      credentials: this.#credentials,
      hello: handshake.helloTo(to),
      chunkBytes: this.#options.chunkBytes ?? CHUNK_BYTES_MAX,
      pace: this.#pace,
      onEnd: (failure) => {
        this.#sending.delete(to);
        if (failure !== null) this.#note("a snapshot was not delivered", peer.nodeId, failure);
        this.#soon(() => done(failure === null));
      },
    });
    this.#sending.set(to, { transfer, done });
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#peers = new Map(peers.map((peer) => [peer.peerId, peer]));
    for (const peerId of this.#sending.keys()) {
      if (!this.#peers.has(peerId)) this.#abandon(peerId);
    }
    for (const { transfer, hello, principal } of this.#receiving.values()) {
      const admitted = this.#options.handshake.admit(hello, principal);
      if (!admitted.ok) transfer.close(`${admitted.error.kind}: ${admitted.error.detail}`);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#onArrived = null;
    for (const { transfer } of this.#sending.values()) transfer.close();
    this.#sending.clear();
    const incoming = [...this.#receiving.values()].map(({ transfer }) => transfer);
    for (const transfer of [...incoming, ...this.#unheard]) transfer.close("this node stops");
  }

  /** The server side of the transfers: for `registerRaft`. */
  accept(call: RaftCall): void {
    const principal = identifyCaller(call.getAuthContext(), this.#options.clusterId);
    if (!principal.ok || !mayCall(principal.value, RAFT_SERVICE.sendSnapshot.path)) {
      const details = "only a node of this cluster may send a snapshot";
      call.on("error", () => {});
      call.emit("error", { code: status.PERMISSION_DENIED, details });
      return;
    }
    let from: PeerId | null = null;
    const transfer: IncomingSnapshot = new IncomingSnapshot({
      call,
      store: this.#options.store,
      timers: this.#options.timers,
      owner: {
        onStart: (hello) => {
          from = hello.from;
          return this.#admit({ transfer, hello, principal: principal.value });
        },
        onArrived: (message) => this.#onArrived?.(message),
        onRefused: (detail) => this.#note("refused a snapshot", call.getPeer(), detail),
        onEnd: () => {
          this.#unheard.delete(transfer);
          if (from !== null && this.#receiving.get(from)?.transfer === transfer) {
            this.#receiving.delete(from);
          }
        },
      },
    });
    this.#unheard.add(transfer);
  }

  #admit(receiving: Receiving): Result<Hello, HandshakeError> {
    const { transfer, hello, principal } = receiving;
    if (this.#onArrived === null) return err({ kind: "not-ready", detail: "not running" });
    const peer = this.#options.handshake.admit(hello, principal);
    if (!peer.ok) return peer;
    const previous = this.#receiving.get(hello.from);
    if (previous === undefined && this.#receiving.size >= INCOMING_MAX) {
      return err({ kind: "not-ready", detail: "too many snapshots come in" });
    }
    previous?.transfer.close("a newer transfer has replaced it");
    this.#unheard.delete(transfer);
    this.#receiving.set(hello.from, receiving);
    return ok(this.#options.handshake.helloTo(hello.from));
  }

  #abandon(to: PeerId): void {
    const sending = this.#sending.get(to);
    if (sending === undefined) return;
    this.#sending.delete(to);
    sending.transfer.close();
    this.#soon(() => sending.done(false));
  }

  #soon(tell: () => void): void {
    this.#options.timers.soon(() => {
      if (!this.#isStopped) tell();
    });
  }

  #note(what: string, peer: string, detail: string): void {
    this.#options.logger.log("warn", what, { peer, detail });
  }
}

/** Adds `Raft.SendSnapshot` to the node's own server. */
export function registerSnapshots(server: Server, link: GrpcSnapshotLink): void {
  const { sendSnapshot } = RAFT_SERVICE;
  server.addService({ sendSnapshot }, { sendSnapshot: (call: RaftCall) => link.accept(call) });
}
