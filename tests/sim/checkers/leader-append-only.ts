import type { PeerId, Term } from "../../../engine/lib/ids.ts";
import { type Checker, must } from "../checker.ts";

const NAME = "leader append-only";

/** Who has led a term never overwrites anything under that term. (Raft §5.3; property 2) */
export function leaderAppendOnly(): Checker {
  const ledTerm = new Map<PeerId, Term>();
  return {
    name: NAME,
    onStatus: (member, status) => {
      if (status.role === "leader") ledTerm.set(member.peerId, status.term);
    },
    onWrite: (member, job) => {
      const first = job.entries[0];
      const { written } = member.disk;
      const term = job.hardState?.term ?? written.hardState?.term;
      if (first === undefined || term !== ledTerm.get(member.peerId)) return;
      must(first.entry.index > written.lastIndex, NAME, () => {
        return `${member.nodeId}, leader of term ${term}, overwrites index ${first.entry.index}`;
      });
    },
  };
}
