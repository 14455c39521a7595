import type {
  ClusterStatus,
  Digest,
  GetDigestRequest,
  GetStatusRequest,
  PeerStatus,
} from "../../../proto/gen/nl/v1/cluster.ts";
import type { NlError } from "../../lib/error-code.ts";
import type { PeerId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { ReplicaStatus } from "../../replica/replica.ts";
import type { NodeRecord } from "../../state/cluster-state.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { noLeader } from "../refusals.ts";
import { readView } from "./read.ts";

/** What this node sees, at once: also without a leader, also while damaged. */
export function getStatus(
  context: ApiContext,
  _caller: Caller,
  _request: GetStatusRequest,
): Promise<Result<ClusterStatus, NlError>> {
  return Promise.resolve(ok(statusMessage(context)));
}

/**
 * Runs at the leader; other servers ask it once a second, and count from then how old their own
 * state may be (SEMANTICS S6): a leader that was deposed without knowing must not answer.
 */
export async function getDigest(
  context: ApiContext,
  caller: Caller,
  _request: GetDigestRequest,
): Promise<Result<Digest, NlError>> {
  if (!context.leadership.leads) return err(noLeader());
  const confirmed = await readView(context, caller, false);
  if (!confirmed.ok) return confirmed;
  if (!context.leadership.leads) return err(noLeader());
  const nodes = [...context.duties.hearings()].map(([nodeId, { lastHeardMillis, suspect }]) => ({
    nodeId,
    lastHeardMillis: Math.max(0, Math.round(lastHeardMillis)),
    suspect,
  }));
  return ok({ status: statusMessage(context), nodes });
}

export function statusMessage(context: ApiContext): ClusterStatus {
  const { replica, leadership } = context;
  const status = replica.status();
  const { view } = replica;
  const { raft } = status;
  const known = leadership.leads ? null : context.digests.peers();
  const now = context.platform.clock.monotonicMillis();
  return {
    clusterId: view.clusterId,
    clusterName: view.clusterName,
    nodeId: context.nodeId,
    leaderId: leadership.leaderNode()?.id ?? "",
    term: raft.term,
    commitIndex: raft.commit,
    appliedIndex: view.appliedIndex,
    lastIndex: raft.lastIndex,
    role: status.role,
    peers: peerMessages(context, status, known?.peers ?? []),
    counts: { ...view.counts },
    uptimeMillis: Math.round(now - context.startedAtMillis),
    version: context.version,
    featureLevel: view.featureLevel,
    digestAgeMillis: known?.ageMillis ?? 0,
    ready: isReady(context, status),
    stateHash: view.stateHash(),
    warnings: warnings(context, status),
  };
}

function isReady(context: ApiContext, status: ReplicaStatus): boolean {
  if (status.stopped !== "") return false;
  return context.leadership.leads ? status.ready : context.leadership.route().kind === "other";
}

function warnings(context: ApiContext, status: ReplicaStatus): string[] {
  const found = [...context.warnings()];
  if (status.stopped !== "") found.push(status.stopped);
  return found;
}

/** Every member of the configuration; what only the leader knows comes from it, or is not known. */
function peerMessages(
  context: ApiContext,
  status: ReplicaStatus,
  told: readonly PeerStatus[],
): PeerStatus[] {
  const { conf } = status.raft;
  const voters = new Set([...conf.voters, ...conf.votersOutgoing]);
  const learners = [...conf.learners, ...conf.learnersNext].filter((id) => !voters.has(id));
  const nodes = new Map<PeerId, NodeRecord>();
  for (const node of context.replica.view.nodes.values()) nodes.set(node.peerId, node);
  const messages = [...voters, ...learners].map((id): PeerStatus => {
    const node = nodes.get(id);
    const names = { nodeId: node?.id ?? "", peerId: id, address: node?.rpcAddress ?? "" };
    const isLearner = !voters.has(id);
    if (id === status.raft.id) return { ...self(status, isLearner), ...names };
    if (context.leadership.leads) return { ...seen(status, id, isLearner), ...names };
    const other = told.find((peer) => peer.peerId === id);
    return other ? { ...other, ...names } : { ...unseen(status, id, isLearner), ...names };
  });
  return messages.sort((a, b) => a.peerId - b.peerId);
}

type Progress = Omit<PeerStatus, "nodeId" | "peerId" | "address">;

function self(status: ReplicaStatus, isLearner: boolean): Progress {
  const { raft } = status;
  const role = status.role === "precandidate" ? "candidate" : status.role;
  return {
    role: isLearner ? "learner" : role,
    matchIndex: raft.durable,
    nextIndex: raft.lastIndex + 1,
    inflight: 0,
    lag: raft.lastIndex - raft.durable,
    active: true,
    known: true,
  };
}

function seen(status: ReplicaStatus, id: PeerId, isLearner: boolean): Progress {
  const progress = status.raft.progress.find((peer) => peer.id === id);
  if (progress === undefined) return unseen(status, id, isLearner);
  const alive = isLearner ? "learner" : "follower";
  return {
    role: progress.active ? alive : "down",
    matchIndex: progress.match,
    nextIndex: progress.next,
    inflight: progress.inflight,
    lag: Math.max(0, status.raft.lastIndex - progress.match),
    active: progress.active,
    known: true,
  };
}

function unseen(status: ReplicaStatus, id: PeerId, isLearner: boolean): Progress {
  const voter = status.leader === id ? "leader" : "follower";
  return {
    role: isLearner ? "learner" : voter,
    matchIndex: 0,
    nextIndex: 0,
    inflight: 0,
    lag: 0,
    active: status.leader === id,
    known: false,
  };
}
