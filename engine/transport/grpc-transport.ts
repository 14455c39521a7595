import { credentials, type Server, status } from "@grpc/grpc-js";
import { NOBODY, type PeerId } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Logger } from "../platform/logger.ts";
import type { Random } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import type { PeerAddress, Transport, TransportEvent } from "../platform/transport.ts";
import type { Message } from "../raft/types.ts";
import type { TlsIdentity } from "../security/certificate-files.ts";
import { identifyCaller, type Principal } from "../security/identity.ts";
import { mayCall } from "../security/roles.ts";
import { AcceptedStream } from "./accepted-stream.ts";
import type { Hello } from "./frame-codec.ts";
import {
  checkAgainstTable,
  checkHello,
  type Handshake,
  type HandshakeError,
  type Membership,
} from "./handshake.ts";
import { type LinkWorld, PeerLink } from "./peer-link.ts";
import { RAFT_SERVICE, type RaftCall } from "./raft-service.ts";

/** Peers that are let in although the table does not name them yet. */
const STRANGERS_MAX = 16;

export type GrpcTransportOptions = {
  readonly clusterId: string;
  /** This process: what it shows to the others. */
  readonly self: PeerAddress;
  readonly tls: TlsIdentity;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
};

/**
 * Raft over gRPC. Each node dials each peer on a channel of its own, sends on the stream that it
 * dialled and receives on the streams that the others dialled.
 */
export class GrpcTransport implements Transport, Handshake {
  readonly #options: GrpcTransportOptions;
  readonly #life: number;
  readonly #world: LinkWorld;
  readonly #links = new Map<PeerId, PeerLink>();
  readonly #unheard = new Set<AcceptedStream>();
  #peers: ReadonlyMap<PeerId, PeerAddress> = new Map();
  #nextPeerId: PeerId = NOBODY;
  #onEvent: ((event: TransportEvent) => void) | null = null;

  constructor(options: GrpcTransportOptions) {
    const { tls, timers, random, logger } = options;
    this.#options = options;
    this.#life = newLife(random);
    this.#world = {
      credentials: credentials.createSsl(
        Buffer.from(tls.caPem),
        Buffer.from(tls.keyPem),
        Buffer.from(tls.certificatePem),
      ),
      timers,
      random,
      logger,
      emit: (event) => this.#onEvent?.(event),
    };
  }

  start(onEvent: (event: TransportEvent) => void): void {
    this.#onEvent = onEvent;
    for (const peer of this.#peers.values()) this.#link(peer);
  }

  setPeers(peers: readonly PeerAddress[], nextPeerId: PeerId): void {
    const others = peers.filter((peer) => peer.peerId !== this.#options.self.peerId);
    this.#peers = new Map(others.map((peer) => [peer.peerId, peer]));
    this.#nextPeerId = nextPeerId;
    for (const link of this.#links.values()) {
      if (!this.#stillFits(link.peer)) this.#unlink(link);
    }
    if (this.#onEvent === null) return;
    for (const peer of others) this.#link(peer);
  }

  send(message: Message): void {
    this.#links.get(message.to)?.send(message);
  }

  stop(): void {
    this.#onEvent = null;
    for (const link of this.#links.values()) link.close();
    this.#links.clear();
    for (const stream of this.#unheard) stream.close();
    this.#unheard.clear();
  }

  /** The server side of the streams: for `registerRaft`. */
  accept(call: RaftCall): void {
    const principal = identifyCaller(call.getAuthContext(), this.#options.clusterId);
    if (!principal.ok || !mayCall(principal.value, RAFT_SERVICE.connect.path)) {
      const details = "only a node of this cluster may open a Raft stream";
      call.on("error", () => {});
      call.emit("error", { code: status.PERMISSION_DENIED, details });
      return;
    }
    let link: PeerLink | null = null;
    const stream: AcceptedStream = new AcceptedStream(call, this.#options.timers, {
      onHello: (hello) => {
        const admitted = this.#accept(hello, principal.value, stream);
        if (!admitted.ok) return admitted;
        link = admitted.value;
        this.#unheard.delete(stream);
        return ok(this.helloTo(hello.from));
      },
      onMessage: (message) => {
        if (link?.isCurrent(stream)) this.#onEvent?.({ kind: "message", message });
      },
      onRefused: (detail) => this.#noteRefused(call.getPeer(), detail),
      onEnd: () => {
        this.#unheard.delete(stream);
        link?.onAcceptedEnd(stream);
      },
    });
    this.#unheard.add(stream);
  }

  admit(hello: Hello, principal: Principal): Result<PeerAddress, HandshakeError> {
    const peer = checkHello(hello, principal, this.#membership());
    if (!peer.ok || this.#links.get(hello.from)?.isRetired(hello.life) !== true) return peer;
    return err({ kind: "stale-life", detail: "another process has taken your place" });
  }

  helloTo(to: PeerId): Hello {
    const { clusterId, self } = this.#options;
    const { peerId: from, storeId, address } = self;
    return { clusterId, from, to, storeId, life: this.#life, address };
  }

  #accept(
    hello: Hello,
    principal: Principal,
    stream: AcceptedStream,
  ): Result<PeerLink, HandshakeError> {
    const peer = checkHello(hello, principal, this.#membership());
    if (!peer.ok) return peer;
    if (this.#onEvent === null) return err({ kind: "not-ready", detail: "this node is stopped" });
    const link = this.#link(peer.value);
    if (link === null) return err({ kind: "not-ready", detail: "too many unknown peers" });
    if (link.accept(stream, hello)) return ok(link);
    return err({ kind: "stale-life", detail: "another process has taken your place" });
  }

  /** The link to a peer, made when there is none; null when there is no room for a stranger. */
  #link(peer: PeerAddress): PeerLink | null {
    const existing = this.#links.get(peer.peerId);
    if (existing !== undefined) return existing;
    const isKnown = this.#peers.has(peer.peerId);
    if (!isKnown && this.#links.size >= this.#peers.size + STRANGERS_MAX) return null;
    const link = new PeerLink(peer, this.helloTo(peer.peerId), this.#world);
    this.#links.set(peer.peerId, link);
    return link;
  }

  #unlink(link: PeerLink): void {
    const { peerId } = link.peer;
    this.#links.delete(peerId);
    // Not now: no event arrives inside a call of the owner.
    if (link.isOpen) {
      this.#options.timers.soon(() => this.#world.emit({ kind: "peer-closed", peer: peerId }));
    }
    link.close();
  }

  #stillFits(peer: PeerAddress): boolean {
    const checked = checkAgainstTable(peer, this.#membership());
    return checked.ok && checked.value.address === peer.address;
  }

  #membership(): Membership {
    const { clusterId, self } = this.#options;
    return { clusterId, self: self.peerId, peers: this.#peers, nextPeerId: this.#nextPeerId };
  }

  #noteRefused(from: string, detail: string): void {
    this.#options.logger.log("warn", "refused on a Raft stream", { from, detail });
  }
}

/** Adds `Raft.Connect` to the node's own server. */
export function registerRaft(server: Server, transport: GrpcTransport): void {
  const { connect } = RAFT_SERVICE;
  server.addService({ connect }, { connect: (call: RaftCall) => transport.accept(call) });
}

/** 52 random bits and never 0. */
const newLife = (random: Random): number =>
  random.below(2 ** 32) * 2 ** 20 + random.below(2 ** 20) + 1;
