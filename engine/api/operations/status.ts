import type {
  ClusterStatus,
  Digest,
  GetDigestRequest,
  GetStatusRequest,
  Latency,
  PeerStatus,
} from "../../../proto/gen/nl/v1/cluster.ts";
import type { NlError } from "../../lib/error-code.ts";
import { NOBODY, type PeerId } from "../../lib/ids.ts";
import type { LatencySummary } from "../../lib/latency-window.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { ReplicaStatus } from "../../replica/replica.ts";
import type { NodeRecord } from "../../state/cluster-state.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { noLeader } from "../refusals.ts";

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
  request: GetDigestRequest,
): Promise<Result<Digest, NlError>> {
  if (!context.leadership.leads) return err(noLeader());
  const { principal } = caller;
  if (principal.kind === "node") context.duties.hearDisk(principal.nodeId, request.lowDisk);
  if (!(await isStillLeader(context))) return err(noLeader());
  const nodes = [...context.duties.hearings()].map(([nodeId, { lastHeardMillis, suspect }]) => ({
    nodeId,
    lastHeardMillis: Math.max(0, Math.round(lastHeardMillis)),
    suspect,
  }));
  return ok({ status: statusMessage(context), nodes });
}

/** By the round that the next tick makes anyway: who asks once a second is in no hurry. */
async function isStillLeader({ replica, leadership }: ApiContext): Promise<boolean> {
  const isConfirmed = await new Promise<boolean>((resolve) => {
    replica.readBarrier((done) => resolve(done.ok), { isPatient: true });
  });
  return isConfirmed && leadership.leads;
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
    ...ownLog(context, status),
  };
}

/** What only concerns the node that answers. */
function ownLog(context: ApiContext, { raft }: ReplicaStatus) {
  const { logWrite, commit, apply, loopLag } = context.replica.latencies();
  return {
    firstIndex: raft.firstIndex,
    durableIndex: raft.durable,
    snapshotIndex: raft.snapshotIndex,
    votedFor: nodeNamed(context, raft.votedFor),
    diskStalled: raft.diskStalled,
    transferee: nodeNamed(context, raft.transferee),
    uncommittedBytes: raft.uncommittedBytes,
    logWrite: latencyMessage(logWrite),
    commit: latencyMessage(commit),
    apply: latencyMessage(apply),
    loopLag: latencyMessage(loopLag),
  };
}

function nodeNamed({ replica }: ApiContext, id: PeerId): string {
  if (id === NOBODY) return "";
  for (const node of replica.view.nodes.values()) if (node.peerId === id) return node.id;
  return "";
}

const latencyMessage = (summary: LatencySummary): Latency => ({
  count: summary.count,
  p50Micros: Math.round(summary.p50Millis * 1_000),
  p99Micros: Math.round(summary.p99Millis * 1_000),
  maxMicros: Math.round(summary.maxMillis * 1_000),
});

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
    const other = told.find((peer) => peer.peerId === id);
    if (id === status.raft.id) return { ...self(status, isLearner), ...sentTo(other), ...names };
    if (context.leadership.leads) {
      const heartbeat = context.replica.latencies().heartbeats.get(id);
      return {
        ...seen(status, id, isLearner),
        ...names,
        heartbeat: heartbeat && latencyMessage(heartbeat),
      };
    }
    return other ? { ...other, ...names } : { ...unseen(status, id, isLearner), ...names };
  });
  return messages.sort((a, b) => a.peerId - b.peerId);
}

type Progress = Omit<PeerStatus, "nodeId" | "peerId" | "address">;

const NO_PROGRESS = {
  progress: "",
  inflight: 0,
  inflightBytes: 0,
  session: 0,
  applyLag: 0,
  heartbeat: undefined,
};

function self(status: ReplicaStatus, isLearner: boolean): Progress {
  const { raft } = status;
  const role = status.role === "precandidate" ? "candidate" : status.role;
  return {
    ...NO_PROGRESS,
    role: isLearner ? "learner" : role,
    matchIndex: raft.durable,
    nextIndex: raft.lastIndex + 1,
    lag: raft.lastIndex - raft.durable,
    applyLag: raft.commit - raft.applied,
    active: true,
    known: true,
  };
}

/** What the leader tells this node about the way to itself. */
function sentTo(told: PeerStatus | undefined): Partial<Progress> {
  if (told === undefined) return {};
  const { progress, inflight, inflightBytes, session, heartbeat } = told;
  return { progress, inflight, inflightBytes, session, heartbeat };
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
    inflightBytes: progress.inflightBytes,
    progress: progress.state,
    session: progress.session,
    applyLag: progress.lag,
    heartbeat: undefined,
    lag: Math.max(0, status.raft.lastIndex - progress.match),
    active: progress.active,
    known: true,
  };
}

function unseen(status: ReplicaStatus, id: PeerId, isLearner: boolean): Progress {
  const voter = status.leader === id ? "leader" : "follower";
  return {
    ...NO_PROGRESS,
    role: isLearner ? "learner" : voter,
    matchIndex: 0,
    nextIndex: 0,
    lag: 0,
    active: status.leader === id,
    known: false,
  };
}
