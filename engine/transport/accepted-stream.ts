import { Metadata, type ServerDuplexStream, status } from "@grpc/grpc-js";
import type { Result } from "../lib/result.ts";
import type { Timers } from "../platform/timers.ts";
import type { Message } from "../raft/types.ts";
import { decodeFrame, encodeHello, type Frame, type Hello } from "./frame-codec.ts";
import type { HandshakeError } from "./handshake.ts";
import { REFUSAL_TRAILER } from "./raft-service.ts";

/** For the hello of a caller whose certificate is already known to be a node's. */
const HELLO_TIMEOUT_MILLIS = 5000;

export type AcceptedStreamOwner = {
  /** The peer may come in (and how we present ourselves), or why not. */
  readonly onHello: (hello: Hello) => Result<Hello, HandshakeError>;
  readonly onMessage: (message: Message) => void;
  /** A frame or a message that is not ours to deliver; at most once per stream. */
  readonly onRefused: (detail: string) => void;
  /** Exactly once, also after `close`. */
  readonly onEnd: () => void;
};

/** A stream that a peer dialled: its hello, then its batches. We answer with our hello only. */
export class AcceptedStream {
  readonly #call: ServerDuplexStream<Buffer, Buffer>;
  readonly #owner: AcceptedStreamOwner;
  readonly #cancelTimeout: () => void;
  #hello: Hello | null = null;
  #hasRefused = false;
  #isOver = false;

  constructor(
    call: ServerDuplexStream<Buffer, Buffer>,
    timers: Timers,
    owner: AcceptedStreamOwner,
  ) {
    this.#call = call;
    this.#owner = owner;
    this.#cancelTimeout = timers.after(HELLO_TIMEOUT_MILLIS, () => {
      this.#refuse(status.DEADLINE_EXCEEDED, "no hello in time");
    });
    call.on("data", (bytes: Buffer) => this.#onData(bytes));
    call.on("end", () => this.close());
    call.on("cancelled", () => this.close());
    call.on("error", () => this.close());
  }

  /** From here on nothing of this stream is delivered. */
  close(): void {
    if (this.#end()) this.#call.end();
  }

  #onData(bytes: Buffer): void {
    if (this.#isOver) return;
    const frame = decodeFrame(bytes);
    if (!frame.ok) {
      this.#noteRefused(`${frame.error.kind} frame: ${frame.error.detail}`);
      this.#refuse(status.INVALID_ARGUMENT, `${frame.error.kind} frame`);
      return;
    }
    if (this.#hello === null) this.#onFirst(frame.value);
    else this.#onBatch(frame.value, this.#hello);
  }

  #onFirst(frame: Frame): void {
    if (frame.kind !== "hello") {
      this.#refuse(status.INVALID_ARGUMENT, "the first frame must be the hello");
      return;
    }
    this.#cancelTimeout();
    const answer = this.#owner.onHello(frame.hello);
    if (!answer.ok) {
      this.#noteRefused(`${answer.error.kind}: ${answer.error.detail}`);
      const isIdentity = answer.error.kind === "not-a-node" || answer.error.kind === "wrong-node";
      const code = isIdentity ? status.PERMISSION_DENIED : status.FAILED_PRECONDITION;
      this.#refuse(code, `${answer.error.kind}: ${answer.error.detail}`, answer.error.kind);
      return;
    }
    this.#hello = frame.hello;
    this.#call.write(encodeHello(answer.value));
  }

  #onBatch(frame: Frame, hello: Hello): void {
    if (frame.kind !== "batch") {
      this.#refuse(status.INVALID_ARGUMENT, "a second hello");
      return;
    }
    if (frame.refused > 0) this.#noteRefused(`${frame.refused} malformed messages`);
    for (const message of frame.messages) {
      // A delivered message may have made this stream stale.
      if (this.#isOver) return;
      if (message.from === hello.from && message.to === hello.to) this.#owner.onMessage(message);
      else this.#noteRefused(`a message from ${message.from} to ${message.to}`);
    }
  }

  #noteRefused(detail: string): void {
    if (this.#hasRefused) return;
    this.#hasRefused = true;
    this.#owner.onRefused(detail);
  }

  #refuse(code: status, details: string, kind = ""): void {
    if (!this.#end()) return;
    const metadata = new Metadata();
    if (kind !== "") metadata.set(REFUSAL_TRAILER, kind);
    this.#call.emit("error", { code, details, metadata });
  }

  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#cancelTimeout();
    this.#owner.onEnd();
    return true;
  }
}
