import type { Index } from "../../../engine/lib/ids.ts";
import { type Checker, must } from "../checker.ts";

const NAME = "state machine safety";

/** No two nodes apply different entries at one index. (Raft §5.4.3; property 5) */
export function stateMachineSafety(): Checker {
  const applied = new Map<Index, number>();
  return {
    name: NAME,
    onApplied: (member, index, chain) => {
      const known = applied.get(index);
      if (known === undefined) applied.set(index, chain);
      else {
        must(known === chain, NAME, () => {
          return `${member.nodeId} applies another entry at index ${index} than was applied before`;
        });
      }
    },
  };
}
