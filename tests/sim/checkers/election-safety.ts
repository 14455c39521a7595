import type { Term } from "../../../engine/lib/ids.ts";
import { type Checker, type Member, must } from "../checker.ts";

const NAME = "election safety";

/** At most one leader in a term, and it leads in one life only. (Raft §5.2; property 1) */
export function electionSafety(): Checker {
  const leaderOf = new Map<Term, string>();
  const leads = (member: Member, term: Term): void => {
    const self = `${member.nodeId} in life ${member.life}`;
    const known = leaderOf.get(term);
    if (known === undefined) leaderOf.set(term, self);
    else must(known === self, NAME, () => `term ${term} has two leaders: ${known} and ${self}`);
  };
  return {
    name: NAME,
    onStatus: (member, status, before) => {
      if (status.role === "leader" && status !== before) leads(member, status.term);
    },
    onSend: (member, message) => {
      if (message.kind === "append" || message.kind === "heartbeat") leads(member, message.term);
    },
  };
}
