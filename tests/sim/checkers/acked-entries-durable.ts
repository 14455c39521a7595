import type { Index } from "../../../engine/lib/ids.ts";
import { type Checker, canElectWithout, type Membership, must } from "../checker.ts";
import type { CommittedLog } from "./committed-log.ts";

const NAME = "acked entries are durable";

/**
 * What a client was told to be committed outlives every crash: nobody can be elected by disks that
 * lack it. (SEMANTICS S1; property 7.) Watching the highest acked index is enough: chains cover the
 * rest. O(nodes)
 */
export function ackedEntriesDurable(members: Membership, committed: CommittedLog): Checker {
  let acked = 0 as Index;
  const check = (): void => {
    const chain = committed.chainAt(acked);
    if (acked === 0 || chain === undefined) return;
    must(!canElectWithout(members, committed.conf, { index: acked, chain }), NAME, () => {
      return `a leader can be elected by disks without the acked index ${acked}`;
    });
  };
  return {
    name: NAME,
    onAcked: (index) => {
      if (index <= acked) return;
      must(committed.chainAt(index) !== undefined, NAME, () => `${index} is acked, not committed`);
      acked = index;
      check();
    },
    onDurable: check,
  };
}
