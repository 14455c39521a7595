import type { handleBidiStreamingCall } from "@grpc/grpc-js";
import { RaftService } from "../../proto/gen/nl/v1/raft.ts";

const asIs = (bytes: Buffer): Buffer => bytes;

/**
 * `Raft.Connect` on raw bytes: frames are measured, decoded and refused by our own codec, where a
 * bad one is a value and not an internal error of the library.
 */
export const RAFT_SERVICE = {
  connect: {
    path: RaftService.connect.path,
    requestStream: true,
    responseStream: true,
    requestSerialize: asIs,
    requestDeserialize: asIs,
    responseSerialize: asIs,
    responseDeserialize: asIs,
  },
} as const;

export type RaftHandlers = { readonly connect: handleBidiStreamingCall<Buffer, Buffer> };
