import type { Index, Term } from "../../../engine/lib/ids.ts";
import type { Status } from "../../../engine/raft/types.ts";
import {
  type Checker,
  describeAt,
  isNewLeader,
  type Member,
  type Membership,
  must,
} from "../checker.ts";

const NAME = "leader completeness";

type Milestone = { readonly term: Term; readonly index: Index; readonly chain: number };

/**
 * What was committed in a term is in the log of every leader of a later term. (Raft §5.4;
 * property 4.) Kept as one milestone per term: the last commit of its leader. O(nodes, terms).
 */
export function leaderCompleteness(members: Membership): Checker {
  const milestones = new Map<Term, Milestone>();
  const mustHold = (member: Member, leader: Status, committed: Milestone): void => {
    must(member.disk.written.holds(committed.index, committed.chain), NAME, () => {
      const lost = describeAt(committed.term, committed.index);
      return `${member.nodeId} leads term ${leader.term} without ${lost}, which was committed`;
    });
  };
  const commit = (member: Member, status: Status): void => {
    const chain = member.disk.written.chainAt(status.commit);
    must(chain !== null, NAME, () => `${member.nodeId} commits ${status.commit}, not in its log`);
    const milestone = { term: status.term, index: status.commit, chain };
    milestones.set(status.term, milestone);
    for (const other of members) {
      const { status: later } = other;
      if (later?.role !== "leader" || later.term <= status.term) continue;
      mustHold(other, later, milestone);
    }
  };
  const elected = (member: Member, status: Status): void => {
    for (const milestone of milestones.values()) {
      if (milestone.term < status.term) mustHold(member, status, milestone);
    }
  };
  return {
    name: NAME,
    onStatus: (member, status, before) => {
      if (status.role !== "leader") return;
      if (isNewLeader(status, before)) elected(member, status);
      else if (status.commit > (before?.commit ?? 0)) commit(member, status);
    },
  };
}
