import { type ChannelCredentials, Client, type ClientDuplexStream } from "@grpc/grpc-js";
import type { Clock } from "../platform/clock.ts";
import type { SnapshotMessage } from "../platform/snapshot-link.ts";
import type { SnapshotStore } from "../platform/snapshot-store.ts";
import type { Timers } from "../platform/timers.ts";
import type { PeerAddress } from "../platform/transport.ts";
import { nodeServerName } from "../security/server-name.ts";
import type { Hello } from "./frame-codec.ts";
import type { Pace } from "./pace.ts";
import { RAFT_SERVICE } from "./raft-service.ts";
import { decodeAck, encodeChunk, encodeStart, type SnapshotAck } from "./snapshot-frames.ts";

/** Sent and not yet acknowledged. Enough for 80 MB/s over a distance of 50 ms. */
export const WINDOW_BYTES = 4 * 1024 * 1024;
/** Without an ack for so long, a transfer has failed: a receiver may have much to hash first. */
const STALL_MILLIS = 30_000;

const CHANNEL_OPTIONS = {
  // A connection of its own: never the one that Raft's heartbeats wait for.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.keepalive_time_ms": 5_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.max_receive_message_length": 64 * 1024,
  "grpc.enable_retries": 0,
  "grpc.enable_channelz": 0,
  "grpc.service_config_disable_resolution": 1,
};

export type OutgoingOptions = {
  readonly peer: PeerAddress;
  readonly hello: Hello;
  readonly message: SnapshotMessage;
  readonly credentials: ChannelCredentials;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly store: SnapshotStore;
  readonly chunkBytes: number;
  readonly pace: Pace;
  /** Once, unless `close` was called. Null: delivered and verified; else why not. */
  readonly onEnd: (failure: string | null) => void;
};

/** One attempt to ship one snapshot to one peer, on a connection of its own. */
export class OutgoingSnapshot {
  readonly #options: OutgoingOptions;
  readonly #client: Client;
  readonly #stream: ClientDuplexStream<Buffer, Buffer>;
  #cancelStall: () => void = () => {};
  /** Null until the receiver has said where to begin. */
  #next: number | null = null;
  #acked = 0;
  #isReading = false;
  #isOver = false;

  constructor(options: OutgoingOptions) {
    const { peer, hello, message, credentials } = options;
    const { path, requestSerialize, responseDeserialize } = RAFT_SERVICE.sendSnapshot;
    this.#options = options;
    this.#client = new Client(peer.address, credentials, {
      ...CHANNEL_OPTIONS,
      "grpc.ssl_target_name_override": nodeServerName(peer.nodeId),
    });
    this.#stream = this.#client.makeBidiStreamRequest<Buffer, Buffer>(
      path,
      requestSerialize,
      responseDeserialize,
    );
    this.#stream.on("data", (bytes: Buffer) => this.#onData(bytes));
    this.#stream.on("error", (error) => this.#end(error.message));
    this.#stream.on("end", () => this.#end("the receiver ended the transfer"));
    this.#awaitAck();
    this.#stream.write(encodeStart(hello, message));
  }

  /** Silent: no `onEnd` follows. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#cancelStall();
    this.#stream.cancel();
    this.#client.close();
  }

  #onData(bytes: Buffer): void {
    if (this.#isOver) return;
    const ack = decodeAck(bytes);
    const { snapshot } = this.#options.message;
    if (ack === null || ack.offset > snapshot.bytes) {
      this.#end("the receiver's answer is malformed");
      return;
    }
    this.#awaitAck();
    if (this.#next === null) this.#begin(ack);
    else this.#acked = Math.max(this.#acked, ack.offset);
    if (ack.verified) this.#end(null);
    else this.#pump();
  }

  /** TLS has shown that the receiver is this node; the hello shows which cluster and store. */
  #begin(ack: SnapshotAck): void {
    const { peer, hello } = this.#options;
    const there = ack.hello;
    const isPeer = there?.from === peer.peerId && there.storeId === peer.storeId;
    if (!isPeer || there.clusterId !== hello.clusterId) {
      this.#end("another cluster, peer or data directory");
      return;
    }
    this.#next = ack.offset;
    this.#acked = ack.offset;
    if (ack.offset === this.#options.message.snapshot.bytes) this.#stream.end();
  }

  #pump(): void {
    const { message, chunkBytes, pace, clock, timers } = this.#options;
    const next = this.#next;
    if (this.#isOver || this.#isReading || next === null) return;
    const bytes = Math.min(chunkBytes, message.snapshot.bytes - next);
    const isWindowFull = next > this.#acked && next + bytes - this.#acked > WINDOW_BYTES;
    if (bytes === 0 || isWindowFull) return;
    this.#isReading = true;
    const waitMillis = pace.take(bytes, clock.monotonicMillis());
    if (waitMillis < 1) this.#read(next);
    else timers.after(waitMillis, () => this.#read(next));
  }

  #read(offset: number): void {
    const { store, message, chunkBytes } = this.#options;
    if (this.#isOver) return;
    store.readChunk(message.snapshot, offset, chunkBytes, (read) => {
      this.#isReading = false;
      if (this.#isOver) return;
      if (!read.ok) this.#end(read.error.detail);
      else this.#write(offset, read.value);
    });
  }

  #write(offset: number, data: Uint8Array): void {
    this.#stream.write(encodeChunk(offset, data));
    this.#next = offset + data.length;
    if (this.#next === this.#options.message.snapshot.bytes) this.#stream.end();
    else this.#pump();
  }

  #awaitAck(): void {
    this.#cancelStall();
    this.#cancelStall = this.#options.timers.after(STALL_MILLIS, () => {
      this.#end("the receiver has stopped answering");
    });
  }

  #end(failure: string | null): void {
    if (this.#isOver) return;
    this.close();
    this.#options.onEnd(failure);
  }
}
