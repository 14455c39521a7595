import { RaftFrame } from "../../proto/gen/nl/v1/raft.ts";
import type { PeerId } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Message } from "../raft/types.ts";
import { decodeMessage, encodeMessage } from "./message-codec.ts";

/** DESIGN §4, Limits: what a Raft stream accepts in one piece. */
export const FRAME_BYTES_MAX = 1024 * 1024;
/** An append alone is at most 512 KiB of entries and their overhead. */
export const FRAME_BYTES_WANTED = 640 * 1024;
export const FRAME_MESSAGES_MAX = 4096;

/** The first frame in each direction: who speaks, to whom, from which life. */
export type Hello = {
  readonly clusterId: string;
  readonly from: PeerId;
  readonly to: PeerId;
  readonly storeId: string;
  /** Random per process, never 0. */
  readonly life: number;
  /** `host:port` of the speaker's own listener. */
  readonly address: string;
};

export type Frame =
  | { readonly kind: "hello"; readonly hello: Hello }
  /** `refused` counts the messages left out because their shape was wrong. */
  | { readonly kind: "batch"; readonly messages: readonly Message[]; readonly refused: number };

export type FrameError = {
  readonly kind: "too-large" | "malformed" | "too-many" | "empty";
  readonly detail: string;
};

/** Names, ids and addresses: short printable ASCII, so that nothing hostile reaches a log. */
const TEXT = /^[\x21-\x7e]{1,255}$/;

export const encodeHello = (hello: Hello): Buffer =>
  encode({ kind: { $case: "hello", value: { ...hello } } });

export const encodeBatch = (messages: readonly Message[]): Buffer =>
  encode({ kind: { $case: "batch", value: { messages: messages.map(encodeMessage) } } });

/** Total: every byte string gives a frame or an error. The size is checked before anything else. */
export function decodeFrame(bytes: Uint8Array): Result<Frame, FrameError> {
  if (bytes.length > FRAME_BYTES_MAX) {
    return refuse("too-large", `${bytes.length} bytes, at most ${FRAME_BYTES_MAX} are taken`);
  }
  const frame = decode(bytes);
  if (!frame.ok) return frame;
  const { kind } = frame.value;
  if (kind === undefined) return refuse("empty", "neither a hello nor a batch");
  if (kind.$case === "hello") {
    const hello = decodeHello(kind.value);
    return hello.ok ? ok({ kind: "hello", hello: hello.value }) : hello;
  }
  if (kind.value.messages.length > FRAME_MESSAGES_MAX) {
    return refuse("too-many", `${kind.value.messages.length} messages in one frame`);
  }
  const messages = kind.value.messages.map(decodeMessage).filter((message) => message !== null);
  return ok({ kind: "batch", messages, refused: kind.value.messages.length - messages.length });
}

/** Shared by every stream whose first frame says who speaks. */
export function decodeHello(hello: {
  readonly clusterId: string;
  readonly from: number;
  readonly to: number;
  readonly storeId: string;
  readonly life: number;
  readonly address: string;
}): Result<Hello, FrameError> {
  const { clusterId, from, to, storeId, life, address } = hello;
  const isPlain = [clusterId, storeId, address].every((text) => TEXT.test(text));
  if (!isPlain || from === 0 || to === 0 || life === 0) {
    return refuse("malformed", "an incomplete hello");
  }
  const ends = { from: from as PeerId, to: to as PeerId };
  return ok({ clusterId, ...ends, storeId, life, address });
}

function encode(frame: RaftFrame): Buffer {
  const { buffer, byteOffset, byteLength } = RaftFrame.encode(frame).finish();
  return Buffer.from(buffer, byteOffset, byteLength);
}

/** The generated decoder throws on truncated bytes and on integers above 2^53-1. */
function decode(bytes: Uint8Array): Result<RaftFrame, FrameError> {
  try {
    return ok(RaftFrame.decode(bytes));
  } catch (error) {
    return refuse("malformed", error instanceof Error ? error.message : String(error));
  }
}

const refuse = (kind: FrameError["kind"], detail: string): Result<never, FrameError> =>
  err({ kind, detail });
