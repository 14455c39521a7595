import type { PeerId } from "../../../engine/lib/ids.ts";
import type { Transport, TransportEvent } from "../../../engine/platform/transport.ts";
import type { Message } from "../../../engine/raft/types.ts";
import type { SimProcess } from "./sim-process.ts";
import type { SimRandom } from "./sim-random.ts";
import type { VirtualTime } from "./virtual-time.ts";

export type NetworkProfile = {
  readonly delayMillisMin: number;
  readonly delayMillisMax: number;
  readonly dropChance: number;
  readonly duplicateChance: number;
  /** How many copies at most, and how late the last of them may come. */
  readonly copiesMax: number;
  readonly copyMillisMax: number;
  /** Share of packets that come very late, and how late at most. */
  readonly spikeChance: number;
  readonly spikeMillisMax: number;
  /** False: packets of one direction keep their order, as on a stream. */
  readonly reorders: boolean;
};

/** What a handshake shows and checks: the store behind a peer's id (contract 15). */
export type Identity = {
  readonly store: number;
  readonly accepts: (peer: PeerId, store: number) => boolean;
};

type Endpoint = {
  readonly process: SimProcess;
  readonly identity: Identity | null;
  readonly life: number;
  readonly onEvent: (event: TransportEvent) => void;
};

type Link = { readonly from: PeerId; readonly to: PeerId };

const REDIAL_MILLIS = 100;
const REDIALS_MAX = 12;
/** Bytes of a message besides the data of its entries, on a link that counts them. */
const MESSAGE_BYTES = 100;

/**
 * The network between the nodes. Cuts are directed. The death of a process closes its streams and
 * makes redials fail; the death of a machine, like a cut, is silent.
 */
export class SimNetwork {
  readonly #time: VirtualTime;
  readonly #random: SimRandom;
  readonly #endpoints = new Map<PeerId, Endpoint>();
  readonly #cut = new Set<number>();
  /** Bytes a millisecond of links that are slow. */
  readonly #slow = new Map<number, number>();
  readonly #lastArrival = new Map<number, number>();
  readonly #onSend: (message: Message) => void;
  readonly #clean: NetworkProfile;
  #profile: NetworkProfile;
  #isCalm = false;
  #lives = 0;

  constructor(options: {
    readonly time: VirtualTime;
    readonly random: SimRandom;
    readonly profile: NetworkProfile;
    /** Sees every Raft message at the moment it leaves its sender. */
    readonly onSend: (message: Message) => void;
  }) {
    this.#time = options.time;
    this.#random = options.random;
    this.#profile = options.profile;
    this.#clean = { ...options.profile, dropChance: 0, duplicateChance: 0, spikeChance: 0 };
    this.#onSend = options.onSend;
  }

  /** The transport of one life of a node's process; without an identity it is never refused. */
  open(self: PeerId, process: SimProcess, identity: Identity | null = null): Transport {
    return {
      start: (onEvent) => this.#attach(self, { process, identity, onEvent }),
      setPeers: () => {},
      send: (message) => {
        process.portCalled();
        this.#onSend(message);
        this.#carry(message);
      },
      stop: () => this.detach(self, "process"),
    };
  }

  /** A process or its whole machine is gone: the others notice only the former. */
  detach(peer: PeerId, what: "process" | "machine"): void {
    if (!this.#endpoints.delete(peer) || what === "machine") return;
    for (const other of this.#endpoints.keys()) {
      this.#notify({ from: peer, to: other }, { kind: "peer-closed", peer });
      this.#redial(other, peer, REDIALS_MAX);
    }
  }

  cut(from: PeerId, to: PeerId): void {
    this.#cut.add(linkKey(from, to));
  }

  slow(from: PeerId, to: PeerId, bytesPerMilli: number): void {
    this.#slow.set(linkKey(from, to), bytesPerMilli);
  }

  heal(): void {
    this.#cut.clear();
    // What was waiting its turn on a slow link holds up nobody any more.
    if (this.#slow.size > 0) this.#lastArrival.clear();
    this.#slow.clear();
  }

  /** No more loss, duplicates and spikes: what remains is delay. */
  calm(): void {
    this.heal();
    this.#isCalm = true;
    this.#profile = this.#clean;
  }

  isCut(from: PeerId, to: PeerId): boolean {
    return this.#cut.size > 0 && this.#cut.has(linkKey(from, to));
  }

  /** One packet that is not Raft's: it arrives late or never, and at most once. */
  packet(from: PeerId, to: PeerId, arrive: () => void): void {
    if (this.#random.chance(this.#profile.dropChance)) return;
    this.#time.after(this.#delayMillis(), () => {
      if (!this.isCut(from, to)) arrive();
    });
  }

  /**
   * One chunk of a transfer outside of Raft's stream: `arrive` runs at the receiver, or `fail`
   * later at the sender. Both processes must live on, in the lives they have now.
   */
  chunk(from: PeerId, to: PeerId, then: { arrive: () => void; fail: () => void }): void {
    const [sender, receiver] = [this.#endpoints.get(from), this.#endpoints.get(to)];
    const isLost = this.#random.chance(this.#profile.dropChance);
    this.#time.after(this.#delayMillis(), () => {
      if (sender === undefined || this.#endpoints.get(from) !== sender) return;
      const isSame = receiver !== undefined && this.#endpoints.get(to) === receiver;
      const isOpen = isSame && !this.isCut(from, to) && this.#isWelcome(from, to);
      if (isOpen && !isLost) receiver.process.run(then.arrive);
      else this.#time.after(CHUNK_TIMEOUT_MILLIS, () => this.#at(from, sender, then.fail));
    });
  }

  /** The answer to a transfer: `heard` runs at the one who waits for it, if it lives on. */
  reply(from: PeerId, to: PeerId, heard: (isWell: boolean) => void): void {
    const receiver = this.#endpoints.get(to);
    const isLost = this.#random.chance(this.#profile.dropChance) || this.isCut(from, to);
    const delay = this.#delayMillis() + (isLost ? CHUNK_TIMEOUT_MILLIS : 0);
    this.#time.after(delay, () => this.#at(to, receiver, () => heard(!isLost)));
  }

  #at(peer: PeerId, endpoint: Endpoint | undefined, turn: () => void): void {
    if (endpoint !== undefined && this.#endpoints.get(peer) === endpoint) {
      endpoint.process.run(turn);
    }
  }

  #attach(self: PeerId, endpoint: Omit<Endpoint, "life">): void {
    this.#lives += 1;
    this.#endpoints.set(self, { ...endpoint, life: this.#lives });
    for (const other of this.#endpoints.keys()) {
      if (other === self) continue;
      this.#notify({ from: self, to: other }, { kind: "peer-opened", peer: self });
      this.#notify({ from: other, to: self }, { kind: "peer-opened", peer: other });
    }
  }

  #carry(message: Message): void {
    const { from, to } = message;
    const [sender, receiver] = [this.#endpoints.get(from), this.#endpoints.get(to)];
    if (sender === undefined || receiver === undefined || this.isCut(from, to)) return;
    const { dropChance, duplicateChance, copiesMax, copyMillisMax } = this.#profile;
    if (this.#random.chance(dropChance)) return;
    const deliver = (isCopy: boolean): void => {
      const isStale = (this.#endpoints.get(from)?.life ?? sender.life) !== sender.life;
      if (isStale || this.#endpoints.get(to) !== receiver || this.isCut(from, to)) return;
      if ((isCopy && this.#isCalm) || !this.#isWelcome(from, to)) return;
      receiver.process.arrive(() => receiver.onEvent({ kind: "message", message }));
    };
    this.#time.after(this.#arrivalMillis(message), () => deliver(false));
    if (!this.#random.chance(duplicateChance)) return;
    for (let copies = 1 + this.#random.below(copiesMax); copies > 0; copies--) {
      this.#time.after(this.#random.between(0, copyMillisMax), () => deliver(true));
    }
  }

  /** Both ends must know each other's store, or not know the peer at all yet. */
  #isWelcome(from: PeerId, to: PeerId): boolean {
    const [sender, receiver] = [this.#endpoints.get(from), this.#endpoints.get(to)];
    const [left, right] = [sender?.identity, receiver?.identity];
    if (left === null || right === null || left === undefined || right === undefined) return true;
    return right.accepts(from, left.store) && left.accepts(to, right.store);
  }

  #redial(from: PeerId, to: PeerId, left: number): void {
    const dialer = this.#endpoints.get(from);
    if (dialer === undefined || left === 0) return;
    this.#time.after(this.#delayMillis() + (left === REDIALS_MAX ? 0 : REDIAL_MILLIS), () => {
      if (this.#endpoints.get(from) !== dialer || this.#endpoints.has(to)) return;
      if (!this.isCut(from, to) && !this.isCut(to, from)) {
        dialer.process.run(() => dialer.onEvent({ kind: "peer-refused", peer: to }));
      }
      this.#redial(from, to, left - 1);
    });
  }

  #notify(link: Link, event: TransportEvent): void {
    const receiver = this.#endpoints.get(link.to);
    if (receiver === undefined || this.isCut(link.from, link.to)) return;
    this.#time.after(this.#delayMillis(), () => {
      if (this.#endpoints.get(link.to) !== receiver) return;
      receiver.process.run(() => receiver.onEvent(event));
    });
  }

  #arrivalMillis(message: Message): number {
    const key = linkKey(message.from, message.to);
    const delay = this.#delayMillis();
    const bytesPerMilli = this.#slow.get(key);
    if (this.#profile.reorders && bytesPerMilli === undefined) return delay;
    const onTheWire = bytesPerMilli === undefined ? 0 : bytesOf(message) / bytesPerMilli;
    const last = this.#lastArrival.get(key) ?? 0;
    const at = Math.max(this.#time.now + delay, last) + onTheWire;
    this.#lastArrival.set(key, at);
    return at - this.#time.now;
  }

  #delayMillis(): number {
    const { delayMillisMin, delayMillisMax, spikeChance, spikeMillisMax } = this.#profile;
    const isSpike = this.#random.chance(spikeChance);
    return this.#random.between(delayMillisMin, isSpike ? spikeMillisMax : delayMillisMax);
  }
}

const CHUNK_TIMEOUT_MILLIS = 500;
const PEERS_MAX = 1024;

const linkKey = (from: PeerId, to: PeerId): number => from * PEERS_MAX + to;

function bytesOf(message: Message): number {
  if (message.kind !== "append") return MESSAGE_BYTES;
  return message.entries.reduce((bytes, { data }) => bytes + data.length, MESSAGE_BYTES);
}
