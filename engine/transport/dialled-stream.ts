import { connect, type Socket } from "node:net";
import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ServiceError,
} from "@grpc/grpc-js";
import type { Timers } from "../platform/timers.ts";
import type { PeerAddress } from "../platform/transport.ts";
import { nodeServerName } from "../security/server-name.ts";
import { decodeFrame, encodeHello, type Hello } from "./frame-codec.ts";
import { RAFT_SERVICE, REFUSAL_TRAILER } from "./raft-service.ts";

/** From the first SYN to the peer's hello. */
const DIAL_TIMEOUT_MILLIS = 3000;
/** A frozen peer or a silent network is noticed after at most the sum of the two. */
const KEEPALIVE_MILLIS = 5000;
const KEEPALIVE_TIMEOUT_MILLIS = 2000;
/** Written and not yet taken by the connection; more waits in the peer's own queue. */
const UNSENT_BYTES_MAX = 2 * 1024 * 1024;

/** What a small frame costs while it waits. */
const FRAME_OVERHEAD_BYTES = 1024;

const CHANNEL_OPTIONS = {
  // A channel of its own: a stream reset elsewhere must never cost a Raft connection.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.keepalive_time_ms": KEEPALIVE_MILLIS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MILLIS,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.max_receive_message_length": 64 * 1024,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  "grpc.service_config_disable_resolution": 1,
  // We redial ourselves, on a new channel each time; this one tries once.
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1000,
};

export type StreamEnd =
  /** Nobody listens at the address: the process is gone. */
  | { readonly kind: "refused" }
  | { readonly kind: "failed"; readonly detail: string }
  /** The peer says that this node is no member any more. */
  | { readonly kind: "removed"; readonly detail: string };

/** Exactly one `onEnd` follows, unless `close` was called; `onHello` at most once before it. */
export type StreamOwner = {
  readonly onHello: (hello: Hello) => void;
  /** There is room again after `write` returned false. */
  readonly onRoom: () => void;
  readonly onEnd: (end: StreamEnd) => void;
};

/**
 * One attempt to reach a peer: a plain TCP probe, which tells "refused" from every other failure
 * and keeps grpc-js's own reconnect delays out of the way, then a channel with one stream.
 */
export class DialledStream {
  readonly #owner: StreamOwner;
  readonly #probe: Socket;
  readonly #cancelTimeout: () => void;
  #client: Client | null = null;
  #stream: ClientDuplexStream<Buffer, Buffer> | null = null;
  #unsentBytes = 0;
  #isFull = false;
  #isOver = false;

  constructor(options: {
    readonly peer: PeerAddress;
    readonly hello: Hello;
    readonly credentials: ChannelCredentials;
    readonly timers: Timers;
    readonly owner: StreamOwner;
  }) {
    this.#owner = options.owner;
    this.#cancelTimeout = options.timers.after(DIAL_TIMEOUT_MILLIS, () => {
      this.#end({ kind: "failed", detail: "no answer to the handshake" });
    });
    this.#probe = connect(hostAndPort(options.peer.address));
    this.#probe.on("connect", () => {
      this.#probe.destroy();
      if (!this.#isOver) this.#open(options);
    });
    this.#probe.on("error", (error: NodeJS.ErrnoException) => {
      const isRefused = error.code === "ECONNREFUSED";
      this.#end(isRefused ? { kind: "refused" } : { kind: "failed", detail: error.message });
    });
  }

  /** False: no more until `onRoom`. The frame itself is always taken. */
  write(frame: Buffer): boolean {
    if (this.#isOver || this.#stream === null) return false;
    const bytes = frame.length + FRAME_OVERHEAD_BYTES;
    this.#unsentBytes += bytes;
    this.#stream.write(frame, () => this.#onWritten(bytes));
    this.#isFull = this.#unsentBytes >= UNSENT_BYTES_MAX;
    return !this.#isFull;
  }

  /** Silent: no `onEnd` follows. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelTimeout();
    this.#probe.destroy();
    this.#stream?.cancel();
    this.#client?.close();
  }

  #open(options: {
    readonly peer: PeerAddress;
    readonly hello: Hello;
    readonly credentials: ChannelCredentials;
  }): void {
    const { path, requestSerialize, responseDeserialize } = RAFT_SERVICE.connect;
    this.#client = new Client(options.peer.address, options.credentials, {
      ...CHANNEL_OPTIONS,
      "grpc.ssl_target_name_override": nodeServerName(options.peer.nodeId),
    });
    const stream = this.#client.makeBidiStreamRequest<Buffer, Buffer>(
      path,
      requestSerialize,
      responseDeserialize,
    );
    this.#stream = stream;
    stream.on("data", (bytes: Buffer) => this.#onData(bytes));
    stream.on("error", (error: ServiceError) => this.#onError(error));
    stream.on("end", () => this.#end({ kind: "failed", detail: "the peer closed the stream" }));
    stream.write(encodeHello(options.hello));
  }

  /** The only thing a peer says on a stream that we dialled is its hello. */
  #onData(bytes: Buffer): void {
    if (this.#isOver) return;
    const frame = decodeFrame(bytes);
    if (!frame.ok || frame.value.kind !== "hello") {
      this.#end({ kind: "failed", detail: "the peer did not answer with a hello" });
      return;
    }
    this.#cancelTimeout();
    this.#owner.onHello(frame.value.hello);
  }

  #onError(error: ServiceError): void {
    const [why] = error.metadata?.get(REFUSAL_TRAILER) ?? [];
    const kind = why === "removed" ? "removed" : "failed";
    this.#end({ kind, detail: error.details || error.message });
  }

  #onWritten(bytes: number): void {
    this.#unsentBytes -= bytes;
    if (!this.#isFull || this.#isOver || this.#unsentBytes > UNSENT_BYTES_MAX / 2) return;
    this.#isFull = false;
    this.#owner.onRoom();
  }

  #end(end: StreamEnd): void {
    if (this.#isOver) return;
    this.close();
    this.#owner.onEnd(end);
  }
}

/** `[::1]:7171` and `host:7171` alike. An address without a port fails as port 0 does. */
function hostAndPort(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  const port = Number(address.slice(colon + 1));
  const host = address.slice(0, colon).replace(/^\[|\]$/g, "");
  return { host, port: Number.isInteger(port) && port > 0 && port < 65536 ? port : 0 };
}
