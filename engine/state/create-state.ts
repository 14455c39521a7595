import { type Index, NOBODY, type PeerId, type UnixMillis } from "../lib/ids.ts";
import type { Founding } from "./command.ts";
import { FEATURE_LEVEL_FIRST } from "./feature-level.ts";
import { STATE_LIMITS, StateStore } from "./state-store.ts";

/** The writable state: `createState` makes it, `apply` changes it, everyone else sees a view. */
export type ClusterState = StateStore;

/** Founding is entry 1: the snapshot that every first voter starts from (DESIGN, Bootstrap). */
const FOUNDING_INDEX = 1 as Index;

/** The state of a cluster that has just been founded. `limits` must be the same on every node. */
export function createState(founding: Founding, limits = STATE_LIMITS): ClusterState {
  const state = new StateStore({
    clusterId: founding.clusterId,
    clusterName: founding.clusterName,
    featureLevel: FEATURE_LEVEL_FIRST,
    appliedIndex: FOUNDING_INDEX,
    appliedAt: founding.at,
    limits,
  });
  addFounders(state, founding.members);
  return state;
}

/** The first voters, known before they live. */
export function addFounders(state: ClusterState, members: Founding["members"]): void {
  state.setNextPeerId(nextAfter(members.map(({ peerId }) => peerId)));
  for (const member of members) {
    state.putNode({
      id: member.nodeId,
      peerId: member.peerId,
      seat: "voter",
      storeId: member.storeId,
      roles: ["server"],
      rpcAddress: member.rpcAddress,
      httpAddress: member.httpAddress,
      liveness: "alive",
      drain: null,
      cpuMillis: 0,
      memoryBytes: 0,
      slots: 0,
      drivers: [],
      labels: {},
      featureLevel: 0,
      version: "",
      registered: false,
    });
  }
}

/** What a node knows that has joined, until its first snapshot arrives: nothing but where it is. */
export const createEmptyState = (clusterId: string): ClusterState =>
  new StateStore({
    clusterId,
    clusterName: "",
    featureLevel: FEATURE_LEVEL_FIRST,
    appliedIndex: 0 as Index,
    appliedAt: 0 as UnixMillis,
    limits: STATE_LIMITS,
  });

const nextAfter = (peerIds: readonly PeerId[]): PeerId =>
  (Math.max(NOBODY, ...peerIds) + 1) as PeerId;
