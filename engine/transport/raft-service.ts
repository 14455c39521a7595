import type { ServerDuplexStream } from "@grpc/grpc-js";
import { RaftService } from "../../proto/gen/nl/v1/raft.ts";

/** Trailer of a refused handshake: the kind of its `HandshakeError`. */
export const REFUSAL_TRAILER = "nl-refusal";

const asIs = (bytes: Buffer): Buffer => bytes;

const RAW = {
  requestStream: true,
  responseStream: true,
  requestSerialize: asIs,
  requestDeserialize: asIs,
  responseSerialize: asIs,
  responseDeserialize: asIs,
} as const;

/**
 * Both methods on raw bytes: frames are measured, decoded and refused by our own codec, where a
 * bad one is a value and not an internal error of the library.
 */
export const RAFT_SERVICE = {
  connect: { path: RaftService.connect.path, ...RAW },
  sendSnapshot: { path: RaftService.sendSnapshot.path, ...RAW },
} as const;

export type RaftCall = ServerDuplexStream<Buffer, Buffer>;
