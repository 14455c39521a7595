import type { ConfState } from "../../../engine/raft/types.ts";
import { type Checker, isOnQuorum, type Member, type Membership, must } from "../checker.ts";
import type { CommittedLog } from "./committed-log.ts";

const NAME = "committed on a quorum";

/**
 * When a leader raises its commit index, the entry there is of its own term and durable on a
 * quorum: of the configuration active before, up to the next change of it, and of every later one
 * in turn. (Raft §5.3, §5.4.2; property 6.) O(nodes) per raise.
 */
export function committedOnQuorum(members: Membership, committed: CommittedLog): Checker {
  const mustBeOnQuorum = (member: Member, conf: ConfState, from: number, to: number): void => {
    const { written } = member.disk;
    const isHeld = (index: number): boolean => {
      const entry = { index: index as Member["disk"]["written"]["lastIndex"] };
      return isOnQuorum(members, conf, { ...entry, chain: written.chainAt(index) });
    };
    if (isHeld(to)) return;
    const change = committed.changeAfter(from);
    must(change !== undefined && change.index <= to && isHeld(change.index), NAME, () => {
      return `${member.nodeId} commits index ${to}, which is not on a quorum of disks`;
    });
    mustBeOnQuorum(member, change.conf, change.index, to);
  };
  return {
    name: NAME,
    onStatus: (member, status, before) => {
      const hasLed = before?.role === "leader" && before.term === status.term;
      if (status.role !== "leader" || !hasLed || status.commit <= before.commit) return;
      must(member.disk.written.termAt(status.commit) === status.term, NAME, () => {
        return `${member.nodeId} commits ${status.commit} of an earlier term than its ${status.term}`;
      });
      mustBeOnQuorum(member, before.conf, before.commit, status.commit);
    },
  };
}
