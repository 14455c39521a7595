import { Founding as WireFounding } from "../../proto/gen/nl/v1/command.ts";
import type { NodeId, PeerId, UnixMillis } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Founding } from "./command.ts";

const FORMAT = 1;

/** The bytes of the snapshot at index 1. */
export function encodeFounding(founding: Founding): Uint8Array {
  return WireFounding.encode({
    format: FORMAT,
    clusterId: founding.clusterId,
    clusterName: founding.clusterName,
    at: founding.at,
    members: founding.members.map((member) => ({ ...member })),
  }).finish();
}

/** The error is one sentence. */
export function decodeFounding(bytes: Uint8Array): Result<Founding, string> {
  const wire = decodeWire(bytes);
  if (wire === null) return err("the founding snapshot is unreadable");
  if (wire.format !== FORMAT) {
    return err(`the founding snapshot has format ${wire.format}, this nl reads ${FORMAT}: upgrade`);
  }
  if (wire.clusterId === "") return err("the founding snapshot names no cluster");
  return ok({
    clusterId: wire.clusterId,
    clusterName: wire.clusterName,
    at: wire.at as UnixMillis,
    members: wire.members.map((member) => ({
      nodeId: member.nodeId as NodeId,
      peerId: member.peerId as PeerId,
      storeId: member.storeId,
      rpcAddress: member.rpcAddress,
      httpAddress: member.httpAddress,
    })),
  });
}

function decodeWire(bytes: Uint8Array): WireFounding | null {
  try {
    return WireFounding.decode(bytes);
  } catch (_malformed) {
    return null;
  }
}
