import type { Term } from "../../../engine/lib/ids.ts";
import type { ProgressView, Status } from "../../../engine/raft/types.ts";
import { type Checker, type Member, type Membership, must } from "../checker.ts";

const NAME = "indices in order";

/**
 * snapshot <= applied <= commit <= last; match < next; and what a leader believes a peer to have
 * (`match`) is durable there, unless the peer has moved on to a later term or its disk is
 * damaged. (Property 10.) O(nodes)
 */
export function progressSane(members: Membership): Checker {
  let newest = 0 as Term;
  return {
    name: NAME,
    onStatus: (member, status, before) => {
      const { applied, commit, lastIndex } = status;
      must(applied <= commit && commit <= lastIndex, NAME, () => {
        return `${member.nodeId} has applied ${applied}, committed ${commit}, last ${lastIndex}`;
      });
      if (status.role !== "leader") return;
      if (status.term > newest) newest = status.term;
      for (const [at, progress] of status.progress.entries()) {
        mustBeSane(member, status, progress);
        if (before?.term === status.term) mustNotFall(member, before, { at, progress });
      }
      // Of members that come and go, a leader of the past knows nothing.
      if (status.term === newest) mustAllBeDurable(members, member, status);
    },
  };
}

function mustAllBeDurable(members: Membership, leader: Member, { progress }: Status): void {
  for (const view of progress) mustBeDurable(leader, members[view.id - 1], view);
}

function mustBeSane(member: Member, status: Status, progress: ProgressView): void {
  const { id, match, next, inflight } = progress;
  must(match < next && match <= status.lastIndex && next <= status.lastIndex + 1, NAME, () => {
    return `${member.nodeId}: peer ${id} has match ${match}, next ${next}, last ${status.lastIndex}`;
  });
  must(inflight >= 0, NAME, () => `${member.nodeId}: peer ${id} has ${inflight} in flight`);
}

/** `match` never falls, unless a new session starts it from nothing. */
function mustNotFall(
  member: Member,
  before: Status,
  now: { readonly at: number; readonly progress: ProgressView },
): void {
  const { id, match } = now.progress;
  const same = before.progress[now.at];
  const then = same?.id === id ? same : before.progress.find((progress) => progress.id === id);
  const known = then?.match ?? 0;
  must(match >= known || match === 0, NAME, () => {
    return `${member.nodeId}: match of peer ${id} falls from ${known} to ${match}`;
  });
}

function mustBeDurable(leader: Member, peer: Member | undefined, { match }: ProgressView): void {
  if (peer === undefined) return;
  const [leaderTerm, peerTerm] = [leader.status?.term ?? 0, peer.disk.written.hardState?.term ?? 0];
  const { written } = leader.disk;
  if (match === 0 || peerTerm > leaderTerm || peer.disk.isDamaged || peer.isLost) return;
  if (match < written.firstIndex - 1) return;
  must(peer.disk.durable.holds(match, written.chainAt(match)), NAME, () => {
    return `${leader.nodeId} believes ${peer.nodeId} to hold index ${match}, which is not durable there`;
  });
}
