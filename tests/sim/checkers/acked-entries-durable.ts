import type { Index } from "../../../engine/lib/ids.ts";
import { type Checker, durableCopies, type Membership, must, quorumOf } from "../checker.ts";
import type { CommittedLog } from "./committed-log.ts";

const NAME = "acked entries are durable";

/**
 * What a client was told to be committed stays on a quorum of disks, whatever crashes.
 * (SEMANTICS S1; property 7.) It is enough to watch the highest acked index: chains cover the rest.
 */
export function ackedEntriesDurable(members: Membership, committed: CommittedLog): Checker {
  let acked = 0 as Index;
  const check = (): void => {
    const chain = committed.chainAt(acked);
    if (acked === 0 || chain === undefined) return;
    const copies = durableCopies(members, acked, chain);
    must(copies >= quorumOf(members), NAME, () => `${copies} disks hold the acked index ${acked}`);
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
