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
  /** Share of packets that come very late, and how late at most. */
  readonly spikeChance: number;
  readonly spikeMillisMax: number;
  /** False: packets of one direction keep their order, as on a stream. */
  readonly reorders: boolean;
};

type Endpoint = {
  readonly process: SimProcess;
  readonly life: number;
  readonly onEvent: (event: TransportEvent) => void;
};

const REDIAL_MILLIS = 100;
const REDIALS_MAX = 12;

/**
 * The network between the nodes. Cuts are directed. The death of a process closes its streams and
 * makes redials fail; the death of a machine, like a cut, is silent.
 */
export class SimNetwork {
  readonly #time: VirtualTime;
  readonly #random: SimRandom;
  readonly #endpoints = new Map<PeerId, Endpoint>();
  readonly #cut = new Set<string>();
  readonly #lastArrival = new Map<string, number>();
  readonly #onSend: (message: Message) => void;
  readonly #clean: NetworkProfile;
  #profile: NetworkProfile;
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

  /** The transport of one life of a node's process. */
  open(self: PeerId, process: SimProcess): Transport {
    return {
      start: (onEvent) => this.#attach(self, process, onEvent),
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
    this.#cut.add(`${from}>${to}`);
  }

  heal(): void {
    this.#cut.clear();
  }

  /** No more loss, duplicates and spikes: what remains is delay. */
  calm(): void {
    this.heal();
    this.#profile = this.#clean;
  }

  isCut(from: PeerId, to: PeerId): boolean {
    return this.#cut.size > 0 && this.#cut.has(`${from}>${to}`);
  }

  /** One packet that is not Raft's: it arrives late or never, and at most once. */
  packet(from: PeerId, to: PeerId, arrive: () => void): void {
    if (this.#random.chance(this.#profile.dropChance)) return;
    this.#time.after(this.#delayMillis(), () => {
      if (!this.isCut(from, to)) arrive();
    });
  }

  #attach(self: PeerId, process: SimProcess, onEvent: (event: TransportEvent) => void): void {
    this.#lives += 1;
    this.#endpoints.set(self, { process, life: this.#lives, onEvent });
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
    if (this.#random.chance(this.#profile.dropChance)) return;
    const copies = this.#random.chance(this.#profile.duplicateChance) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      this.#time.after(this.#arrivalMillis(from, to), () => {
        const isStale = (this.#endpoints.get(from)?.life ?? sender.life) !== sender.life;
        if (isStale || this.#endpoints.get(to) !== receiver || this.isCut(from, to)) return;
        receiver.process.arrive(() => receiver.onEvent({ kind: "message", message }));
      });
    }
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

  #notify(link: { readonly from: PeerId; readonly to: PeerId }, event: TransportEvent): void {
    const receiver = this.#endpoints.get(link.to);
    if (receiver === undefined || this.isCut(link.from, link.to)) return;
    this.#time.after(this.#delayMillis(), () => {
      if (this.#endpoints.get(link.to) !== receiver) return;
      receiver.process.run(() => receiver.onEvent(event));
    });
  }

  #arrivalMillis(from: PeerId, to: PeerId): number {
    const delay = this.#delayMillis();
    if (this.#profile.reorders) return delay;
    const key = `${from}>${to}`;
    const at = Math.max(this.#time.now + delay, this.#lastArrival.get(key) ?? 0);
    this.#lastArrival.set(key, at);
    return at - this.#time.now;
  }

  #delayMillis(): number {
    const { delayMillisMin, delayMillisMax, spikeChance, spikeMillisMax } = this.#profile;
    const isSpike = this.#random.chance(spikeChance);
    return this.#random.between(delayMillisMin, isSpike ? spikeMillisMax : delayMillisMax);
  }
}
