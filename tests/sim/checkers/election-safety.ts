import type { Term } from "../../../engine/lib/ids.ts";
import { type Checker, type Member, must } from "../checker.ts";

const NAME = "election safety";

/** At most one leader in a term, and it leads in one life only. (Raft §5.2; property 1) */
export function electionSafety(): Checker {
  const leaderOf = new Map<Term, { readonly member: Member; readonly life: number }>();
  const leads = (member: Member, term: Term): void => {
    const known = leaderOf.get(term);
    if (known === undefined) leaderOf.set(term, { member, life: member.life });
    else {
      must(known.member === member && known.life === member.life, NAME, () => {
        const [first, second] = [known.member.nodeId, member.nodeId];
        return `term ${term} has two leaders: ${first} (life ${known.life}) and ${second}`;
      });
    }
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
