import type { Index, NodeId, PeerId, Term, UnixMillis } from "../../engine/lib/ids.ts";
import type { SnapshotMeta } from "../../engine/raft/types.ts";
import { createState } from "../../engine/state/create-state.ts";
import { encodeState } from "../../engine/state/state-walk.ts";
import { digestOf } from "../../engine/storage/snapshot-bytes.ts";
import { EPOCH_MILLIS } from "./world/sim-process.ts";

export const CLUSTER_ID = "sim";

export const storeIdOf = (nodeId: NodeId): string => `store-${nodeId}`;
export const rpcAddressOf = (nodeId: NodeId): string => `${nodeId}:7171`;
export const httpAddressOf = (nodeId: NodeId): string => `${nodeId}:7181`;

/** The snapshot at index 1 that every node of a run starts from: all of them vote. */
export function foundingMeta(nodeCount: number): SnapshotMeta {
  const digest = digestOf(foundingBytes(nodeCount));
  return foundingOf(nodeCount, { bytes: digest.bytes, sha256: digest.sha256() });
}

/** The same for a state machine of another kind. */
export const foundingOf = (
  nodeCount: number,
  file: Pick<SnapshotMeta, "bytes" | "sha256">,
): SnapshotMeta => ({
  index: 1 as Index,
  term: 1 as Term,
  conf: {
    voters: peersTo(nodeCount),
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  },
  id: "founding",
  ...file,
});

const peersTo = (nodeCount: number): readonly PeerId[] =>
  Array.from({ length: nodeCount }, (_, i) => (i + 1) as PeerId);

const bytesByCount = new Map<number, Uint8Array>();

/** What that snapshot says. Never written to, so that all runs share it. */
export function foundingBytes(nodeCount: number): Uint8Array {
  const known = bytesByCount.get(nodeCount);
  if (known !== undefined) return known;
  const bytes = encodeFounding(peersTo(nodeCount).map((peerId) => `n${peerId}` as NodeId));
  bytesByCount.set(nodeCount, bytes);
  return bytes;
}

function encodeFounding(nodeIds: readonly NodeId[]): Uint8Array {
  const founding = createState({
    clusterId: CLUSTER_ID,
    clusterName: CLUSTER_ID,
    at: EPOCH_MILLIS as UnixMillis,
    members: nodeIds.map((nodeId, i) => ({
      nodeId,
      peerId: (i + 1) as PeerId,
      storeId: storeIdOf(nodeId),
      rpcAddress: rpcAddressOf(nodeId),
      httpAddress: httpAddressOf(nodeId),
    })),
  });
  return encodeState(founding);
}
