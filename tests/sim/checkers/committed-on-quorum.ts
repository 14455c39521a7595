import { type Checker, durableCopies, type Membership, must, quorumOf } from "../checker.ts";

const NAME = "committed on a quorum";

/**
 * When a leader raises its commit index, the entry there is of its own term and durable on a
 * quorum of disks. (Raft §5.3, §5.4.2; property 6.) O(nodes) per raise.
 */
export function committedOnQuorum(members: Membership): Checker {
  return {
    name: NAME,
    onStatus: (member, status, before) => {
      const hasLed = before?.role === "leader" && before.term === status.term;
      if (status.role !== "leader" || !hasLed || status.commit <= before.commit) return;
      const { written } = member.disk;
      const chain = written.chainAt(status.commit);
      must(written.termAt(status.commit) === status.term, NAME, () => {
        return `${member.nodeId} commits ${status.commit} of an earlier term than its ${status.term}`;
      });
      const copies = durableCopies(members, status.commit, chain);
      must(copies >= quorumOf(members), NAME, () => {
        return `${member.nodeId} commits index ${status.commit} that ${copies} disks hold`;
      });
    },
  };
}
