import type {
  FormerMember,
  ListMembersRequest,
  ListMembersResponse,
  Member,
  PromoteMemberRequest,
  PromoteMemberResponse,
  RemoveMemberRequest,
  RemoveMemberResponse,
} from "../../../proto/gen/nl/v1/cluster.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import { NOBODY, type NodeId } from "../../lib/ids.ts";
import { nearest } from "../../lib/nearest.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { ConfState } from "../../replica/replica.ts";
import type { ClusterView, NodeRecord } from "../../state/cluster-state.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { unknownNode } from "../refusals.ts";
import { proposeOne } from "./propose.ts";
import { statusMessage } from "./status.ts";

/** As for a drain: running work may finish until then. */
const LEAVE_DEADLINE_MILLIS = 3_600_000;
const LEAVE_DEADLINE_MILLIS_MAX = 30 * 24 * 3_600_000;
const FORMER_SHOWN_MAX = 100;

/** The group as the leader sees it: runs there. */
export async function listMembers(
  context: ApiContext,
  _caller: Caller,
  _request: ListMembersRequest,
): Promise<Result<ListMembersResponse, NlError>> {
  const { view } = context.replica;
  const { conf } = context.replica.status().raft;
  const { peers } = statusMessage(context);
  const members = [...view.nodes.values()].map((node): Member => {
    const peer = peers.find(({ peerId }) => peerId === node.peerId && peerId !== NOBODY);
    return {
      nodeId: node.id,
      peerId: node.peerId,
      role: roleOf(context, node, conf),
      seat: node.seat,
      rpcAddress: node.rpcAddress,
      httpAddress: node.httpAddress,
      storeId: node.storeId,
      matchIndex: peer?.matchIndex ?? 0,
      lag: peer?.lag ?? 0,
      known: peer?.known ?? false,
      active: peer?.active ?? false,
      liveness: node.liveness,
      running: view.liveAttempts(node.id).length,
    };
  });
  return ok({
    members: members.sort((a, b) => a.peerId - b.peerId || (a.nodeId < b.nodeId ? -1 : 1)),
    former: formerMembers(view),
    joint: conf.votersOutgoing.length > 0,
    tolerates: Math.floor((conf.voters.length - 1) / 2),
    index: view.appliedIndex,
  });
}

/** Records that the node is to vote; the leader makes it a voter once it has caught up. */
export async function promoteMember(
  context: ApiContext,
  caller: Caller,
  request: PromoteMemberRequest,
): Promise<Result<PromoteMemberResponse, NlError>> {
  const node = findNode(context, request.nodeId);
  if (!node.ok) return node;
  const promoted = await proposeOne(context, caller, {
    body: { kind: "set-seat", nodeId: node.value.id, seat: "voter" },
    subject: `the promotion of node ${node.value.id}`,
  });
  return promoted.ok ? ok({ index: promoted.value.index }) : promoted;
}

/** Records that the node is to leave; what follows is the leader's, also the next one's. */
export async function removeMember(
  context: ApiContext,
  caller: Caller,
  request: RemoveMemberRequest,
): Promise<Result<RemoveMemberResponse, NlError>> {
  const found = findNode(context, request.nodeId);
  if (!found.ok) return found;
  const node = found.value;
  if (request.deadlineMillis > LEAVE_DEADLINE_MILLIS_MAX) {
    return err(nlError("invalid_argument", "deadline: at most 30 days", "give a shorter one"));
  }
  const refusal = refuseRemoval(context, node);
  if (refusal !== null) return err(refusal);
  const left = await proposeOne(context, caller, {
    body: {
      kind: "leave-node",
      nodeId: node.id,
      deadlineMillis: request.deadlineMillis || LEAVE_DEADLINE_MILLIS,
    },
    subject: `the leaving of node ${node.id}`,
  });
  return left.ok ? ok({ index: left.value.index }) : left;
}

function findNode(context: ApiContext, name: string): Result<NodeRecord, NlError> {
  const { nodes, formerNodes } = context.replica.view;
  const node = nodes.get(name as NodeId);
  if (node !== undefined) return ok(node);
  if (formerNodes.has(name as NodeId)) {
    const sentence = `node ${name} has left this cluster already`;
    return err(nlError("not_found", sentence, "nl cluster members lists who is there"));
  }
  const shown = name.replaceAll(/[^\w.-]/g, "?").slice(0, 64);
  const close = nearest(name, nodes.keys());
  if (close === null) return err(unknownNode(shown));
  return err(nlError("not_found", `there is no node ${shown}`, `did you mean ${close}?`));
}

/** The rest must be able to agree, with who answers now. */
function refuseRemoval(context: ApiContext, node: NodeRecord): NlError | null {
  const { raft } = context.replica.status();
  const { nodes } = context.replica.view;
  if (!raft.conf.voters.includes(node.peerId)) return null;
  const isLeaving = (id: number): boolean =>
    [...nodes.values()].some(({ peerId, seat }) => peerId === id && seat === "leaving");
  const rest = raft.conf.voters.filter((id) => id !== node.peerId && !isLeaving(id));
  if (rest.length === 0) {
    return nlError(
      "wrong_state",
      `${node.id} is the last voter: without it there is no cluster`,
      "add another server first (nl cluster join), or end this one: nl down",
    );
  }
  const active = new Set([raft.id, ...raft.progress.filter((p) => p.active).map(({ id }) => id)]);
  const silent = rest.filter((id) => !active.has(id));
  if (silent.length * 2 < rest.length) return null;
  const names = [...nodes.values()].filter(({ peerId }) => silent.includes(peerId));
  return nlError(
    "wrong_state",
    `without ${node.id} the cluster would lose its quorum: ${names.map(({ id }) => id).join(", ")} do not answer`,
    "start them again, or remove them first: nl cluster leave NODE",
  );
}

function roleOf(context: ApiContext, node: NodeRecord, conf: ConfState): string {
  const { peerId } = node;
  if (peerId === NOBODY) return "none";
  if (context.leadership.leaderNode()?.id === node.id) return "leader";
  if ([...conf.voters, ...conf.votersOutgoing].includes(peerId)) return "voter";
  if ([...conf.learners, ...conf.learnersNext].includes(peerId)) return "learner";
  return "joining";
}

const formerMembers = (view: ClusterView): FormerMember[] =>
  [...view.formerNodes.values()]
    .toReversed()
    .slice(0, FORMER_SHOWN_MAX)
    .map(({ id, peerId, removedAt, principal }) => ({ nodeId: id, peerId, removedAt, principal }));
