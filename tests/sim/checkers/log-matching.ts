import { type Checker, describeAt, must } from "../checker.ts";

const NAME = "log matching";
const TERMS_MAX = 2 ** 20;

/** The same (index, term) means the same entry and the same log before it. (Raft §5.3; property 3) */
export function logMatching(): Checker {
  const chains = new Map<number, number>();
  return {
    name: NAME,
    onWrite: (member, job) => {
      for (const { entry, chain } of job.entries) {
        const key = entry.index * TERMS_MAX + entry.term;
        const known = chains.get(key);
        if (known === undefined) chains.set(key, chain);
        else {
          must(known === chain, NAME, () => {
            return `${member.nodeId} writes another ${describeAt(entry.term, entry.index)}`;
          });
        }
      }
    },
  };
}
