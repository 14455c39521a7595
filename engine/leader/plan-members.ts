import type { Index, NodeId, PeerId } from "../lib/ids.ts";
import type { ConfOp, ConfState } from "../replica/replica.ts";
import type { NodeRecord } from "../state/cluster-state.ts";

/** What the leader knows when it compares the seats that nodes shall have with those they have. */
export type MembersNow = {
  readonly self: PeerId;
  readonly conf: ConfState;
  readonly lastIndex: Index;
  readonly progress: readonly {
    readonly id: PeerId;
    readonly match: Index;
    readonly active: boolean;
  }[];
  readonly nodes: Iterable<NodeRecord>;
  readonly liveAttemptCount: (nodeId: NodeId) => number;
};

/** `wait`: something is to be done that cannot be done yet. */
export type MembersStep =
  | { readonly kind: "none" }
  | { readonly kind: "wait" }
  | { readonly kind: "change"; readonly changes: readonly ConfOp[] }
  | { readonly kind: "forget"; readonly nodeId: NodeId };

/** A learner at most this far behind votes: the next commits will not wait for it (P18). */
export const PROMOTE_LAG_MAX = 1_000;

/**
 * The next step from the Raft group as it is to the one that the node table asks for. Everything
 * that is due goes into one change, so that a replacement is one joint configuration; nothing is
 * taken from the group that would leave it without a majority that answers.
 */
export function planMembers(now: MembersNow): MembersStep {
  if (now.conf.votersOutgoing.length > 0) return { kind: "wait" };
  const due = [...now.nodes].map((node) => ({ nodeId: node.id, what: dueFor(node, now) }));
  const forgotten = due.find(({ what }) => what === "forget");
  if (forgotten !== undefined) return { kind: "forget", nodeId: forgotten.nodeId };
  const ops = due.flatMap(({ what }) => (typeof what === "object" && what !== null ? what : []));
  const additions = ops.filter(({ op }) => op !== "remove");
  const all = [...additions, ...ops.filter(({ op }) => op === "remove")];
  const changes = leavesMajority(now, all) ? all : additions;
  if (changes.length > 0) return { kind: "change", changes };
  return { kind: due.some(({ what }) => what !== null) ? "wait" : "none" };
}

type Due = ConfOp | "forget" | "wait" | null;

function dueFor(node: NodeRecord, now: MembersNow): Due {
  const { peerId: id, seat } = node;
  if (seat === "none") return null;
  if (seat === "leaving") return dueForLeaving(node, now);
  if (now.conf.voters.includes(id)) return null;
  if (!now.conf.learners.includes(id)) return { op: "learner", id };
  if (seat === "learner") return null;
  return isCaughtUp(id, now) ? { op: "voter", id } : "wait";
}

function dueForLeaving({ id: nodeId, peerId: id, liveness }: NodeRecord, now: MembersNow): Due {
  const mayRunWork = liveness === "alive" && now.liveAttemptCount(nodeId) > 0;
  if (mayRunWork) return "wait";
  const { voters, learners } = now.conf;
  if (!voters.includes(id) && !learners.includes(id)) return "forget";
  // It hands leadership over first, as every leader does that drains.
  return id === now.self ? "wait" : { op: "remove", id };
}

function isCaughtUp(id: PeerId, now: MembersNow): boolean {
  const progress = now.progress.find((peer) => peer.id === id);
  // Nothing acknowledged yet: it may be about to need a snapshot, however short the log is.
  if (progress === undefined || !progress.active || progress.match === 0) return false;
  return now.lastIndex - progress.match <= PROMOTE_LAG_MAX;
}

/** Of the voters after `changes`, a majority answers now. */
function leavesMajority({ self, conf, progress }: MembersNow, changes: readonly ConfOp[]): boolean {
  const voters = new Set(conf.voters);
  for (const { op, id } of changes) {
    if (op === "voter") voters.add(id);
    if (op === "remove") voters.delete(id);
  }
  const active = new Set([self, ...progress.filter((peer) => peer.active).map(({ id }) => id)]);
  return [...voters].filter((id) => active.has(id)).length * 2 > voters.size;
}
