import type { PeerId } from "../../lib/ids.ts";
import type { Done } from "../../platform/completion.ts";
import type { StorageError } from "../../platform/log-store.ts";
import type { SnapshotLink, SnapshotMessage } from "../../platform/snapshot-link.ts";
import type { SnapshotStore } from "../../platform/snapshot-store.ts";
import type { Timers } from "../../platform/timers.ts";
import type { PeerAddress } from "../../platform/transport.ts";

export type FakeSnapshotNetworkOptions = {
  readonly chunkBytes: number;
  readonly delayMillis: () => number;
  /** Without an answer for so long, a transfer has failed. */
  readonly stallMillis: number;
  /** Asked for each piece, both ways: false = what is under way is lost. */
  readonly isReachable: (from: PeerId, to: PeerId) => boolean;
};

/** Carries snapshots between stores in memory or on disk, on any timers: one piece at a time. */
export class FakeSnapshotNetwork {
  readonly options: FakeSnapshotNetworkOptions;
  readonly #links = new Map<PeerId, FakeSnapshotLink>();

  constructor(options: FakeSnapshotNetworkOptions) {
    this.options = options;
  }

  /** The link of one life of a node; it takes the place of the life before. */
  open(peerId: PeerId, timers: Timers, store: SnapshotStore): SnapshotLink {
    const link = new FakeSnapshotLink({ peerId, timers, store, network: this });
    this.#links.get(peerId)?.stop();
    this.#links.set(peerId, link);
    return link;
  }

  /** For links only: what runs in the receiver's process, unless it is lost on the way. */
  deliver(from: PeerId, to: PeerId, turn: (there: FakeSnapshotLink) => void): void {
    const there = this.#links.get(to);
    if (there === undefined || !this.options.isReachable(from, to)) return;
    there.after(this.options.delayMillis(), () => turn(there));
  }
}

type Sending = {
  readonly message: SnapshotMessage;
  readonly done: (delivered: boolean) => void;
  cancelStall: () => void;
};

class FakeSnapshotLink implements SnapshotLink {
  readonly #self: PeerId;
  readonly #timers: Timers;
  readonly #store: SnapshotStore;
  readonly #network: FakeSnapshotNetwork;
  readonly #sending = new Map<PeerId, Sending>();
  /** By sender: the transfer that counts; an older one is not answered any more. */
  readonly #receiving = new Map<PeerId, Sending>();
  #peers: ReadonlySet<PeerId> = new Set();
  #onArrived: ((message: SnapshotMessage) => void) | null = null;
  #isStopped = false;

  constructor(options: {
    readonly peerId: PeerId;
    readonly timers: Timers;
    readonly store: SnapshotStore;
    readonly network: FakeSnapshotNetwork;
  }) {
    this.#self = options.peerId;
    this.#timers = options.timers;
    this.#store = options.store;
    this.#network = options.network;
  }

  start(onArrived: (message: SnapshotMessage) => void): void {
    this.#onArrived = onArrived;
  }

  send(message: SnapshotMessage, done: (delivered: boolean) => void): void {
    const { to } = message;
    this.#finish(to, false);
    const sending: Sending = { message, done, cancelStall: () => {} };
    this.#sending.set(to, sending);
    if (!this.#peers.has(to)) {
      this.#finish(to, false);
      return;
    }
    this.#awaitAnswer(sending);
    this.#call(sending, (there) => there.#begin(sending, this));
  }

  setPeers(peers: readonly PeerAddress[]): void {
    this.#peers = new Set(peers.map(({ peerId }) => peerId));
    for (const to of this.#sending.keys()) {
      if (!this.#peers.has(to)) this.#finish(to, false);
    }
  }

  stop(): void {
    this.#isStopped = true;
    this.#onArrived = null;
    for (const { cancelStall } of this.#sending.values()) cancelStall();
    this.#sending.clear();
    this.#receiving.clear();
  }

  /** For the network only: a turn of this process, if it still is one. */
  after(millis: number, turn: () => void): void {
    this.#timers.after(millis, () => {
      if (!this.#isStopped) turn();
    });
  }

  /** In the receiver: a newer transfer of the same peer takes the place of an older one. */
  #begin(sending: Sending, from: FakeSnapshotLink): void {
    if (this.#onArrived === null) {
      this.#answer(sending, from, () => from.#end(sending, false));
      return;
    }
    this.#receiving.set(from.#self, sending);
    this.#store.received(
      sending.message.snapshot,
      this.#orRefuse(sending, from, (offset) => {
        this.#answer(sending, from, () => from.#sendFrom(offset, sending));
      }),
    );
  }

  /** In the sender: the next piece, or the end. */
  #sendFrom(offset: number, sending: Sending): void {
    if (!this.#isCurrent(sending)) return;
    const { snapshot } = sending.message;
    this.#awaitAnswer(sending);
    if (offset === snapshot.bytes) {
      this.#call(sending, (there) => there.#verify(sending, this));
      return;
    }
    const { chunkBytes } = this.#network.options;
    this.#store.readChunk(snapshot, offset, chunkBytes, (read) => {
      if (!read.ok) this.#end(sending, false);
      else this.#call(sending, (there) => there.#keep(sending, { offset, data: read.value }, this));
    });
  }

  #keep(
    sending: Sending,
    chunk: { readonly offset: number; readonly data: Uint8Array },
    from: FakeSnapshotLink,
  ): void {
    if (this.#receiving.get(from.#self) !== sending) return;
    const { offset, data } = chunk;
    this.#store.receive(
      sending.message.snapshot,
      offset,
      data,
      this.#orRefuse(sending, from, () => {
        this.#answer(sending, from, () => from.#sendFrom(offset + data.length, sending));
      }),
    );
  }

  #verify(sending: Sending, from: FakeSnapshotLink): void {
    if (this.#receiving.get(from.#self) !== sending) return;
    this.#store.verify(
      sending.message.snapshot,
      this.#orRefuse(sending, from, () => {
        this.#receiving.delete(from.#self);
        this.#answer(sending, from, () => from.#end(sending, true));
        this.#onArrived?.(sending.message);
      }),
    );
  }

  /** What the receiver's store could not do ends the transfer; a replaced one is over anyway. */
  #orRefuse<T>(
    sending: Sending,
    from: FakeSnapshotLink,
    then: (value: T) => void,
  ): Done<T, StorageError> {
    return (result) => {
      if (this.#isStopped || this.#receiving.get(from.#self) !== sending) return;
      if (result.ok) then(result.value);
      else this.#answer(sending, from, () => from.#end(sending, false));
    };
  }

  #call(sending: Sending, turn: (there: FakeSnapshotLink) => void): void {
    if (this.#isCurrent(sending)) this.#network.deliver(this.#self, sending.message.to, turn);
  }

  #answer(sending: Sending, from: FakeSnapshotLink, turn: () => void): void {
    this.#network.deliver(this.#self, sending.message.from, (there) => {
      // The process that sent may have been followed by another one.
      if (there === from) turn();
    });
  }

  #awaitAnswer(sending: Sending): void {
    sending.cancelStall();
    const { stallMillis } = this.#network.options;
    sending.cancelStall = this.#timers.after(stallMillis, () => this.#end(sending, false));
  }

  #isCurrent(sending: Sending): boolean {
    return !this.#isStopped && this.#sending.get(sending.message.to) === sending;
  }

  #end(sending: Sending, delivered: boolean): void {
    if (this.#isCurrent(sending)) this.#finish(sending.message.to, delivered);
  }

  #finish(to: PeerId, delivered: boolean): void {
    const sending = this.#sending.get(to);
    if (sending === undefined) return;
    this.#sending.delete(to);
    sending.cancelStall();
    this.after(0, () => sending.done(delivered));
  }
}
