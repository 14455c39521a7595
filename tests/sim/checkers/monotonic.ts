import type { Index } from "../../../engine/lib/ids.ts";
import type { HardState } from "../../../engine/raft/types.ts";
import { type Checker, type Member, must } from "../checker.ts";
import type { SimDisk } from "../world/disk.ts";

const NAME = "monotonic";

type Durable = { readonly hardState: HardState | null; readonly lastIndex: Index };

/**
 * Term, commit and applied never fall within a life, the durable term and its vote never on
 * one disk, and the durable log only by a truncation above commit. (Property 8)
 */
export function monotonic(): Checker {
  const seen = new Map<SimDisk, Durable>();
  const mustGrow = (member: Member, what: string, from: number, to: number): void => {
    must(to >= from, NAME, () => `${what} of ${member.nodeId} falls from ${from} to ${to}`);
  };
  return {
    name: NAME,
    onStatus: (member, status, before) => {
      if (before === null) return;
      mustGrow(member, "term", before.term, status.term);
      mustGrow(member, "commit", before.commit, status.commit);
      mustGrow(member, "applied", before.applied, status.applied);
      if (before.term !== status.term || before.votedFor === 0) return;
      must(before.votedFor === status.votedFor, NAME, () => {
        return `${member.nodeId} changes its vote in term ${status.term}`;
      });
    },
    onDurable: (member) => {
      const { durable } = member.disk;
      const before = seen.get(member.disk);
      const now = { hardState: durable.hardState, lastIndex: durable.lastIndex };
      seen.set(member.disk, now);
      if (before === undefined) return;
      const commit = before.hardState?.commit ?? 0;
      if (!member.disk.isDamaged) mustGrow(member, "durable log", commit, now.lastIndex);
      mustKeepVote(member, before.hardState, now.hardState);
    },
  };
}

function mustKeepVote(member: Member, before: HardState | null, now: HardState | null): void {
  if (before === null) return;
  must(now !== null && now.term >= before.term, NAME, () => {
    return `${member.nodeId} forgets term ${before.term}`;
  });
  const isSameVote = now.term > before.term || before.votedFor === 0;
  must(isSameVote || now.votedFor === before.votedFor, NAME, () => {
    return `${member.nodeId} forgets its vote in term ${before.term}`;
  });
}
