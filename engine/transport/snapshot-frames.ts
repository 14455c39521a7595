import * as wire from "../../proto/gen/nl/v1/raft.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { SnapshotMessage } from "../platform/snapshot-link.ts";
import { decodeHello, type Hello } from "./frame-codec.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";

export const CHUNK_BYTES_MAX = 256 * 1024;
/** A chunk, or a start that names a configuration of a thousand members. */
const FRAME_BYTES_MAX = CHUNK_BYTES_MAX + 64 * 1024;

export type SnapshotFrame =
  | { readonly kind: "start"; readonly hello: Hello; readonly message: SnapshotMessage }
  | { readonly kind: "chunk"; readonly offset: number; readonly data: Uint8Array };

export type SnapshotAck = {
  /** In the first ack only. */
  readonly hello: Hello | null;
  /** Everything before it is with the receiver. */
  readonly offset: number;
  readonly verified: boolean;
};

export function encodeStart(hello: Hello, message: SnapshotMessage): Buffer {
  const value = { hello: { ...hello }, message: encodeMessage(message) };
  return asBuffer(wire.SnapshotFrame.encode({ kind: { $case: "start", value } }).finish());
}

export function encodeChunk(offset: number, data: Uint8Array): Buffer {
  const view = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  const kind = { $case: "chunk", value: { offset, data: view } } as const;
  return asBuffer(wire.SnapshotFrame.encode({ kind }).finish());
}

export function encodeAck({ hello, offset, verified }: SnapshotAck): Buffer {
  const wireHello = hello === null ? undefined : { ...hello };
  return asBuffer(wire.SnapshotAck.encode({ hello: wireHello, offset, verified }).finish());
}

/** Total: every byte string gives a frame, or a sentence. */
export function decodeSnapshotFrame(bytes: Uint8Array): Result<SnapshotFrame, string> {
  if (bytes.length > FRAME_BYTES_MAX) return err(`a frame of ${bytes.length} bytes`);
  const kind = decoded(() => wire.SnapshotFrame.decode(bytes))?.kind;
  if (kind?.$case === "chunk") {
    const { offset, data } = kind.value;
    if (data.length === 0 || data.length > CHUNK_BYTES_MAX) return err("an empty or large chunk");
    return ok({ kind: "chunk", offset, data });
  }
  if (kind?.$case !== "start") return err("neither a start nor a chunk");
  const hello = kind.value.hello && decodeHello(kind.value.hello);
  const message = kind.value.message && decodeMessage(kind.value.message);
  if (hello?.ok !== true) return err("an incomplete hello");
  if (message?.kind !== "snapshot") return err("an incomplete offer");
  const { from, to } = hello.value;
  if (message.from !== from || message.to !== to) return err("the offer of another peer");
  return ok({ kind: "start", hello: hello.value, message });
}

/** Null for bytes that are no ack. */
export function decodeAck(bytes: Uint8Array): SnapshotAck | null {
  const ack = decoded(() => wire.SnapshotAck.decode(bytes));
  if (ack === null) return null;
  const hello = ack.hello && decodeHello(ack.hello);
  if (hello?.ok === false) return null;
  return { hello: hello?.value ?? null, offset: ack.offset, verified: ack.verified };
}

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** The generated decoders throw on truncated bytes and on integers above 2^53-1. */
function decoded<T>(decode: () => T): T | null {
  try {
    return decode();
  } catch (_malformed) {
    return null;
  }
}
