import { status } from "@grpc/grpc-js";
import type { Result } from "../lib/result.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotMessage } from "../platform/snapshot-link.ts";
import type { SnapshotStore } from "../platform/snapshot-store.ts";
import type { Timers } from "../platform/timers.ts";
import type { Hello } from "./frame-codec.ts";
import type { HandshakeError } from "./handshake.ts";
import { WINDOW_BYTES } from "./outgoing-snapshot.ts";
import type { RaftCall } from "./raft-service.ts";
import { decodeSnapshotFrame, encodeAck, type SnapshotFrame } from "./snapshot-frames.ts";

/** For the first frame of a caller whose certificate is already known to be a node's. */
const START_TIMEOUT_MILLIS = 5000;

type Chunk = Extract<SnapshotFrame, { kind: "chunk" }>;

export type IncomingOwner = {
  /** The peer may send (and how we present ourselves), or why not. */
  readonly onStart: (hello: Hello) => Result<Hello, HandshakeError>;
  /** It is in the store, whole and verified. */
  readonly onArrived: (message: SnapshotMessage) => void;
  readonly onRefused: (detail: string) => void;
  /** Exactly once, also after `close`. */
  readonly onEnd: () => void;
};

/** A snapshot on its way to this node's store: piece by piece, each acknowledged once it is kept. */
export class IncomingSnapshot {
  readonly #call: RaftCall;
  readonly #store: SnapshotStore;
  readonly #owner: IncomingOwner;
  readonly #cancelTimeout: () => void;
  #message: SnapshotMessage | null = null;
  /** What has come in and is not yet with the store. */
  #waiting: Chunk[] = [];
  #isStoring = true;
  /** Where the next chunk begins; and up to where the store has all. */
  #expected = 0;
  #kept = 0;
  #isComplete = false;
  #isOver = false;

  constructor(options: {
    readonly call: RaftCall;
    readonly store: SnapshotStore;
    readonly timers: Timers;
    readonly owner: IncomingOwner;
  }) {
    const { call } = options;
    this.#call = call;
    this.#store = options.store;
    this.#owner = options.owner;
    this.#cancelTimeout = options.timers.after(START_TIMEOUT_MILLIS, () => {
      this.#refuse(status.DEADLINE_EXCEEDED, "no start in time");
    });
    call.on("data", (bytes: Buffer) => this.#onData(bytes));
    call.on("end", () => this.#onComplete());
    call.on("cancelled", () => this.#end());
    call.on("error", () => this.#end());
  }

  /** What came so far stays in the store. */
  close(why: string): void {
    if (this.#end()) this.#call.emit("error", { code: status.ABORTED, details: why });
  }

  #onData(bytes: Buffer): void {
    if (this.#isOver) return;
    const frame = decodeSnapshotFrame(bytes);
    if (!frame.ok) this.#refuse(status.INVALID_ARGUMENT, frame.error);
    else if (frame.value.kind === "chunk") this.#onChunk(frame.value);
    else if (this.#message === null) this.#onStart(frame.value.hello, frame.value.message);
    else this.#refuse(status.INVALID_ARGUMENT, "a second start");
  }

  #onStart(hello: Hello, message: SnapshotMessage): void {
    this.#cancelTimeout();
    const answer = this.#owner.onStart(hello);
    if (!answer.ok) {
      const { kind, detail } = answer.error;
      const isIdentity = kind === "not-a-node" || kind === "wrong-node";
      const code = isIdentity ? status.PERMISSION_DENIED : status.FAILED_PRECONDITION;
      this.#refuse(code, `${kind}: ${detail}`);
      return;
    }
    this.#message = message;
    this.#store.received(message.snapshot, (received) => {
      if (this.#isOver) return;
      if (!received.ok) {
        this.#refuseFor(received.error);
        return;
      }
      this.#expected = received.value;
      this.#kept = received.value;
      this.#isStoring = false;
      this.#call.write(encodeAck({ hello: answer.value, offset: this.#kept, verified: false }));
      this.#advance();
    });
  }

  /** The sender has been told where to begin, and how much may be under way: it knows better. */
  #onChunk(chunk: Chunk): void {
    const end = chunk.offset + chunk.data.length;
    const isNext = chunk.offset === this.#expected && end <= (this.#message?.snapshot.bytes ?? 0);
    if (!isNext || end - this.#kept > WINDOW_BYTES + chunk.data.length) {
      this.#refuse(status.INVALID_ARGUMENT, "a chunk that is not due");
      return;
    }
    this.#expected = end;
    this.#waiting.push(chunk);
    this.#advance();
  }

  #onComplete(): void {
    this.#isComplete = true;
    this.#advance();
  }

  #advance(): void {
    const message = this.#message;
    if (this.#isOver || this.#isStoring || message === null) return;
    const chunk = this.#waiting.shift();
    if (chunk !== undefined) this.#keep(message, chunk);
    else if (this.#kept === message.snapshot.bytes && this.#isComplete) this.#verify(message);
    else if (this.#isComplete) this.close("it ended before all of it had come");
  }

  #keep(message: SnapshotMessage, { offset, data }: Chunk): void {
    this.#isStoring = true;
    this.#store.receive(message.snapshot, offset, data, (kept) => {
      this.#isStoring = false;
      if (this.#isOver) return;
      if (!kept.ok) {
        this.#refuseFor(kept.error);
        return;
      }
      this.#kept = offset + data.length;
      this.#call.write(encodeAck({ hello: null, offset: this.#kept, verified: false }));
      this.#advance();
    });
  }

  #verify(message: SnapshotMessage): void {
    this.#isStoring = true;
    this.#store.verify(message.snapshot, (verified) => {
      if (!verified.ok) {
        this.#refuseFor(verified.error);
        return;
      }
      if (!this.#end()) return;
      this.#call.write(encodeAck({ hello: null, offset: this.#kept, verified: true }));
      this.#call.end();
      this.#owner.onArrived(message);
    });
  }

  #refuseFor(error: StorageError): void {
    const isOther = error.kind === "corrupt";
    this.#refuse(isOther ? status.DATA_LOSS : status.RESOURCE_EXHAUSTED, error.detail);
  }

  #refuse(code: status, details: string): void {
    if (!this.#end()) return;
    this.#owner.onRefused(details);
    this.#call.emit("error", { code, details });
  }

  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#waiting = [];
    this.#cancelTimeout();
    this.#owner.onEnd();
    return true;
  }
}
