import { NOBODY, type PeerId } from "../../engine/lib/ids.ts";
import type { PeerAddress, Transport, TransportEvent } from "../../engine/platform/transport.ts";
import type { Message } from "../../engine/raft/types.ts";
import type { Principal } from "../../engine/security/identity.ts";
import { checkAgainstTable, checkHello } from "../../engine/transport/handshake.ts";
import type { LabNode, NodeOptions, TransportLab } from "./transport.ts";
import { nodeIdOf } from "./transport.ts";

const REDIAL_MILLIS = 20;

/** Transports that reach each other through memory: for tests of what is built on the port. */
export class FakeNetwork implements TransportLab {
  readonly #listeners = new Map<string, FakeTransport>();
  #ports = 0;
  #lives = 0;

  async create(options: NodeOptions): Promise<LabNode> {
    const { peerId, storeId = `store-${peerId}`, clusterId = "blue", isUser = false } = options;
    const nodeId = nodeIdOf(options);
    this.#ports += options.at === undefined ? 1 : 0;
    this.#lives += 1;
    const address = {
      peerId: peerId as PeerId,
      nodeId,
      storeId,
      address: options.at?.address ?? `memory:${this.#ports}`,
    };
    const principal: Principal = isUser
      ? { kind: "user", name: "alice", role: "admin" }
      : { kind: "node", nodeId };
    const identity = { clusterId, self: address, principal, life: this.#lives };
    const transport = new FakeTransport(identity, this.#listeners);
    this.#listeners.set(address.address, transport);
    const kill = async () => transport.stop();
    return { transport, address, kill };
  }
}

type Identity = {
  readonly clusterId: string;
  readonly self: PeerAddress;
  readonly principal: Principal;
  readonly life: number;
};

/** One connection, for both directions at once. */
class FakeStream {
  readonly ends: readonly [FakeTransport, FakeTransport];
  isOpen = true;

  constructor(ends: readonly [FakeTransport, FakeTransport]) {
    this.ends = ends;
  }
}

class FakeTransport implements Transport {
  readonly #identity: Identity;
  readonly #listeners: Map<string, FakeTransport>;
  readonly #streams = new Map<PeerId, FakeStream>();
  /** What each peer has shown. */
  readonly #claims = new Map<PeerId, PeerAddress>();
  #nextPeerId: PeerId = NOBODY;
  #peers: ReadonlyMap<PeerId, PeerAddress> = new Map();
  #onEvent: ((event: TransportEvent) => void) | null = null;
  #timer: Timer | null = null;

  constructor(identity: Identity, listeners: Map<string, FakeTransport>) {
    this.#identity = identity;
    this.#listeners = listeners;
  }

  get isStarted(): boolean {
    return this.#onEvent !== null;
  }

  start(onEvent: (event: TransportEvent) => void): void {
    this.#onEvent = onEvent;
    this.#timer = setInterval(() => this.#dialAll(), REDIAL_MILLIS);
  }

  setPeers(peers: readonly PeerAddress[], nextPeerId: PeerId): void {
    this.#peers = new Map(peers.map((peer) => [peer.peerId, peer]));
    this.#nextPeerId = nextPeerId;
    for (const [peerId, stream] of this.#streams) {
      const claim = this.#claims.get(peerId);
      if (claim === undefined || !checkAgainstTable(claim, this.#membership()).ok)
        disconnect(stream);
    }
  }

  send(message: Message): void {
    const stream = this.#streams.get(message.to);
    const other = stream?.ends.find((end) => end !== this);
    setImmediate(() => {
      if (stream?.isOpen) other?.deliver(message);
    });
  }

  stop(): void {
    this.#onEvent = null;
    if (this.#timer !== null) clearInterval(this.#timer);
    const { address } = this.#identity.self;
    if (this.#listeners.get(address) === this) this.#listeners.delete(address);
    for (const stream of this.#streams.values()) disconnect(stream);
  }

  deliver(message: Message): void {
    this.#onEvent?.({ kind: "message", message });
  }

  /** Called by `disconnect` for both ends. */
  drop(stream: FakeStream): void {
    const [peer] = [...this.#streams].find(([, mine]) => mine === stream) ?? [];
    if (peer === undefined) return;
    this.#streams.delete(peer);
    setImmediate(() => this.#onEvent?.({ kind: "peer-closed", peer }));
  }

  #dialAll(): void {
    for (const peer of this.#peers.values()) {
      if (!this.#streams.has(peer.peerId)) this.#dial(peer);
    }
  }

  #dial(peer: PeerAddress): void {
    const listener = this.#listeners.get(peer.address);
    if (!listener?.isStarted) {
      this.#onEvent?.({ kind: "peer-refused", peer: peer.peerId });
      return;
    }
    const theirs = listener.#identity;
    const knowsUs = listener.#admit(this.#identity, peer.peerId);
    if (!knowsUs.ok && knowsUs.error.kind === "removed") {
      const { detail } = knowsUs.error;
      this.#onEvent?.({ kind: "removed-by", peer: peer.peerId, detail });
    }
    const knowsThem = this.#admit(theirs, this.#identity.self.peerId);
    if (!knowsUs.ok || !knowsThem.ok || theirs.self.peerId !== peer.peerId) return;
    const stream = new FakeStream([this, listener]);
    this.#open(peer.peerId, stream);
    listener.#open(this.#identity.self.peerId, stream);
  }

  #open(peer: PeerId, stream: FakeStream): void {
    const previous = this.#streams.get(peer);
    if (previous !== undefined) disconnect(previous);
    this.#streams.set(peer, stream);
    setImmediate(() => this.#onEvent?.({ kind: "peer-opened", peer }));
  }

  #admit(caller: Identity, to: PeerId) {
    const { peerId: from, storeId, address } = caller.self;
    const hello = { clusterId: caller.clusterId, from, to, storeId, life: caller.life, address };
    const checked = checkHello(hello, caller.principal, this.#membership());
    if (checked.ok) this.#claims.set(from, checked.value);
    return checked;
  }

  #membership() {
    const { clusterId, self } = this.#identity;
    return { clusterId, self: self.peerId, peers: this.#peers, nextPeerId: this.#nextPeerId };
  }
}

function disconnect(stream: FakeStream): void {
  if (!stream.isOpen) return;
  stream.isOpen = false;
  for (const end of stream.ends) end.drop(stream);
}
