import type { PeerId } from "../../../engine/lib/ids.ts";
import type { ProgressView, Status } from "../../../engine/raft/types.ts";
import { type Checker, type Member, type Membership, must } from "../checker.ts";

const NAME = "indices in order";

/**
 * snapshot <= applied <= commit <= last; match < next; and what a leader believes a peer to have
 * (`match`) is durable there, unless the peer has moved on to a later term or its disk is
 * damaged. (Property 10.) O(nodes)
 */
export function progressSane(members: Membership): Checker {
  const peers = new Map<PeerId, Member>(members.map((member) => [member.peerId, member]));
  return {
    name: NAME,
    onStatus: (member, status, before) => {
      const { applied, commit, lastIndex } = status;
      must(applied <= commit && commit <= lastIndex, NAME, () => {
        return `${member.nodeId} has applied ${applied}, committed ${commit}, last ${lastIndex}`;
      });
      if (status.role !== "leader") return;
      for (const progress of status.progress) {
        mustBeSane(member, status, progress);
        if (before?.term === status.term) mustNotFall(member, before, progress);
        const peer = peers.get(progress.id);
        if (peer !== undefined) mustBeDurable(member, peer, progress);
      }
    },
  };
}

function mustBeSane(member: Member, status: Status, progress: ProgressView): void {
  const { id, match, next, inflight } = progress;
  must(match < next && match <= status.lastIndex && next <= status.lastIndex + 1, NAME, () => {
    return `${member.nodeId}: peer ${id} has match ${match}, next ${next}, last ${status.lastIndex}`;
  });
  must(inflight >= 0, NAME, () => `${member.nodeId}: peer ${id} has ${inflight} in flight`);
}

/** `match` never falls, unless a new session starts it from nothing. */
function mustNotFall(member: Member, before: Status, { id, match }: ProgressView): void {
  const known = before.progress.find((progress) => progress.id === id)?.match ?? 0;
  must(match >= known || match === 0, NAME, () => {
    return `${member.nodeId}: match of peer ${id} falls from ${known} to ${match}`;
  });
}

function mustBeDurable(leader: Member, peer: Member, { match }: ProgressView): void {
  const [leaderTerm, peerTerm] = [leader.status?.term ?? 0, peer.disk.written.hardState?.term ?? 0];
  if (match === 0 || peerTerm > leaderTerm || peer.disk.isDamaged) return;
  must(peer.disk.durable.chainAt(match) === leader.disk.written.chainAt(match), NAME, () => {
    return `${leader.nodeId} believes ${peer.nodeId} to hold index ${match}, which is not durable there`;
  });
}
