import type { ChannelCredentials } from "@grpc/grpc-js";
import type { Logger } from "../platform/logger.ts";
import type { Random } from "../platform/random.ts";
import type { Timers } from "../platform/timers.ts";
import type { PeerAddress, TransportEvent } from "../platform/transport.ts";
import type { Message } from "../raft/types.ts";
import type { AcceptedStream } from "./accepted-stream.ts";
import { DialledStream, type StreamEnd } from "./dialled-stream.ts";
import { encodeBatch, FRAME_BYTES_MAX, type Hello } from "./frame-codec.ts";
import { redialDelayMillis } from "./redial.ts";
import { SendQueue } from "./send-queue.ts";

/** A stream that lasted so long was a good one: the next redial is immediate again. */
const SETTLED_MILLIS = 1000;
const RETIRED_LIVES_MAX = 64;

/** What every link of one transport shares. */
export type LinkWorld = {
  readonly credentials: ChannelCredentials;
  readonly timers: Timers;
  readonly random: Random;
  readonly logger: Logger;
  readonly emit: (event: TransportEvent) => void;
};

/**
 * Everything between this process and one peer: the stream that we dial and send on, the stream
 * that the peer dials and we receive on, and the queue. Queue and streams belong to one life of the
 * peer's process; when another life shows up, all of them are discarded.
 */
export class PeerLink {
  readonly peer: PeerAddress;
  readonly #hello: Hello;
  readonly #world: LinkWorld;
  readonly #queue = new SendQueue();
  /** Where the peer was last known to listen: it may move before the table knows. */
  #address: string;
  /** The attempt under way, or the open stream. */
  #dialled: DialledStream | null = null;
  #canSend = false;
  #accepted: AcceptedStream | null = null;
  /** Of the process met last. */
  #life: number | null = null;
  /** Lives that another one has followed: a late stream of theirs is refused (contract 4). */
  #retiredLives = new Set<number>();
  #redials = 0;
  #cancelRedial: (() => void) | null = null;
  #cancelSettled: () => void = () => {};
  #isFlushing = false;
  #lastFailure = "";
  #isClosed = false;

  constructor(peer: PeerAddress, hello: Hello, world: LinkWorld) {
    this.peer = peer;
    this.#address = peer.address;
    this.#hello = hello;
    this.#world = world;
    this.#dial();
  }

  /** Some stream, to or from the peer, is open. */
  get isOpen(): boolean {
    return this.#canSend || this.#accepted !== null;
  }

  /** Queues for the end of this loop turn; dropped while no stream is open or the queue is full. */
  send(message: Message): void {
    if (!this.isOpen || this.#isClosed) return;
    if (this.#queue.push(message)) this.#flushSoon();
  }

  /** The peer has dialled us; false: from a life that is over. Replaces an earlier stream. */
  accept(stream: AcceptedStream, hello: Hello): boolean {
    if (!this.#meet(hello.life)) return false;
    this.#follow(hello.address);
    const previous = this.#accepted;
    this.#change(() => {
      this.#accepted = stream;
    });
    previous?.close();
    // It lives: whatever kept us from reaching it is probably over.
    if (!this.#canSend) this.#redialNow();
    return true;
  }

  /** This life is over: another one of the same peer has followed it. */
  isRetired(life: number): boolean {
    return this.#retiredLives.has(life);
  }

  isCurrent(stream: AcceptedStream): boolean {
    return this.#accepted === stream;
  }

  onAcceptedEnd(stream: AcceptedStream): void {
    if (!this.isCurrent(stream)) return;
    this.#change(() => {
      this.#accepted = null;
    });
  }

  /** Silent: no event follows. */
  close(): void {
    this.#isClosed = true;
    this.#cancelRedial?.();
    this.#cancelRedial = null;
    this.#dropOpenStreams();
    this.#dialled?.close();
    this.#dialled = null;
    this.#queue.clear();
  }

  #dial(): void {
    if (this.#isClosed) return;
    const stream = new DialledStream({
      peer: { ...this.peer, address: this.#address },
      hello: this.#hello,
      credentials: this.#world.credentials,
      timers: this.#world.timers,
      owner: {
        onHello: (hello) => this.#onHello(stream, hello),
        onRoom: () => this.#flush(),
        onEnd: (end) => this.#onDialledEnd(end),
      },
    });
    this.#dialled = stream;
  }

  /** TLS has shown that the listener is this node; the hello shows which cluster, store and life. */
  #onHello(stream: DialledStream, hello: Hello): void {
    if (stream !== this.#dialled || this.#canSend) return;
    const { peerId, storeId } = this.peer;
    const isPeer = hello.from === peerId && hello.to === this.#hello.from;
    if (!isPeer || hello.storeId !== storeId || hello.clusterId !== this.#hello.clusterId) {
      stream.close();
      this.#onDialledEnd({ kind: "failed", detail: "another cluster, peer or data directory" });
      return;
    }
    if (!this.#meet(hello.life)) {
      stream.close();
      this.#onDialledEnd({ kind: "failed", detail: "a process that another one has replaced" });
      return;
    }
    this.#lastFailure = "";
    this.#cancelSettled = this.#world.timers.after(SETTLED_MILLIS, () => {
      this.#redials = 0;
    });
    this.#change(() => {
      this.#canSend = true;
    });
    this.#flushSoon();
  }

  #onDialledEnd(end: StreamEnd): void {
    this.#dialled = null;
    this.#cancelSettled();
    this.#change(() => {
      this.#canSend = false;
    });
    if (end.kind !== "refused") this.#noteFailure(end.detail);
    if (end.kind === "removed") {
      this.#world.emit({ kind: "removed-by", peer: this.peer.peerId, detail: end.detail });
    }
    const isGone = end.kind === "refused" && !this.isOpen;
    if (isGone) this.#world.emit({ kind: "peer-refused", peer: this.peer.peerId });
    this.#redialLater();
  }

  /** A peer that has shown who it is says itself where it listens now. */
  #follow(address: string): void {
    if (address === this.#address) return;
    this.#address = address;
    if (this.#canSend) return;
    this.#dialled?.close();
    this.#dialled = null;
    this.#redials = 0;
    this.#redialLater();
  }

  #redialLater(): void {
    if (this.#isClosed || this.#dialled !== null || this.#cancelRedial !== null) return;
    const delayMillis = redialDelayMillis(this.#redials, this.#world.random);
    this.#redials += 1;
    this.#cancelRedial = this.#world.timers.after(delayMillis, () => {
      this.#cancelRedial = null;
      this.#dial();
    });
  }

  #redialNow(): void {
    if (this.#cancelRedial === null) return;
    this.#cancelRedial();
    this.#cancelRedial = null;
    this.#dial();
  }

  /** Contract 4: what was queued by or for another life of the peer is never delivered. */
  #meet(life: number): boolean {
    if (this.#retiredLives.has(life)) return false;
    if (this.#life === life) return true;
    if (this.#life !== null) this.#retire(this.#life);
    this.#life = life;
    return true;
  }

  #retire(life: number): void {
    this.#retiredLives.add(life);
    for (const oldest of this.#retiredLives) {
      if (this.#retiredLives.size <= RETIRED_LIVES_MAX) break;
      this.#retiredLives.delete(oldest);
    }
    this.#change(() => this.#dropOpenStreams());
    this.#redialLater();
  }

  /** An attempt under way goes on: its hello will show whom it reached. */
  #dropOpenStreams(): void {
    if (this.#canSend) {
      this.#dialled?.close();
      this.#dialled = null;
      this.#canSend = false;
      this.#cancelSettled();
    }
    const accepted = this.#accepted;
    this.#accepted = null;
    accepted?.close();
  }

  /** Applies a change of the streams, and tells when the first one opened or the last one closed. */
  #change(change: () => void): void {
    const before = this.isOpen;
    change();
    if (before === this.isOpen) return;
    if (!this.isOpen) this.#queue.clear();
    const kind = this.isOpen ? "peer-opened" : "peer-closed";
    this.#world.emit({ kind, peer: this.peer.peerId });
  }

  #flushSoon(): void {
    if (this.#isFlushing || !this.#canSend) return;
    this.#isFlushing = true;
    this.#world.timers.soon(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#canSend && !this.#queue.isEmpty) {
      const frame = encodeBatch(this.#queue.takeBatch());
      if (frame.length > FRAME_BYTES_MAX) {
        this.#world.logger.log("error", "a Raft message is too large to send", {
          peer: this.peer.nodeId,
          bytes: frame.length,
        });
        continue;
      }
      if (this.#dialled?.write(frame) !== true) return;
    }
  }

  /** Once per reason, not once per redial. */
  #noteFailure(detail: string): void {
    if (detail === this.#lastFailure) return;
    this.#lastFailure = detail;
    this.#world.logger.log("warn", "no Raft stream to a peer; trying again", {
      peer: this.peer.nodeId,
      address: this.#address,
      detail,
    });
  }
}
