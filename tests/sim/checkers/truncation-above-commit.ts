import { type Checker, must } from "../checker.ts";
import type { CommittedLog } from "./committed-log.ts";

const NAME = "truncation above commit";

/**
 * No node ever overwrites an entry that it knows to be committed, nor one that its leader had
 * committed without its knowing. (Property 9)
 */
export function truncationAboveCommit(committed: CommittedLog): Checker {
  return {
    name: NAME,
    onWrite: ({ nodeId, disk: { written } }, job) => {
      const { install } = job;
      if (install !== null) {
        must(written.chainAt(install.snapshot.index) !== install.chain, NAME, () => {
          return `${nodeId} drops the log that snapshot ${install.snapshot.index} belongs to`;
        });
        return;
      }
      const first = job.entries[0]?.entry.index;
      if (first === undefined || first > written.lastIndex) return;
      const known = written.hardState?.commit ?? 0;
      must(first > known, NAME, () => `${nodeId} overwrites ${first}, committed up to ${known}`);
      must(written.chainAt(first) !== committed.chainAt(first), NAME, () => {
        return `${nodeId} overwrites index ${first}, which was committed`;
      });
    },
  };
}
