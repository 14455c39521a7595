import type { ConfState } from "../../../engine/raft/types.ts";
import { type Checker, must } from "../checker.ts";
import type { ChainedJob, LogImage } from "../world/log-image.ts";
import type { CommittedLog } from "./committed-log.ts";

const NAME = "one change of membership at a time";

/**
 * No log holds two changes of the configuration of which it does not know the first to be
 * committed; a joint configuration is only left, never entered from another; and what is active on
 * a node is what the committed log says. (thesis §4; property 12)
 */
export function confOneAtATime(committed: CommittedLog): Checker {
  const agreed = new WeakMap<ConfState, ConfState>();
  return {
    name: NAME,
    onWrite: ({ nodeId, disk: { written } }, job) => {
      const open = openConfs(written, job);
      must(open <= 1, NAME, () => `${nodeId} has ${open} uncommitted changes in its log`);
    },
    onStatus: ({ nodeId }, { conf, commit }) => {
      if (commit > committed.lastIndex || commit === 0) return;
      const truth = committed.confAt(commit);
      if (agreed.get(conf) === truth.conf) return;
      mustBeLegal(committed, truth.index);
      must(Bun.deepEquals(conf, truth.conf), NAME, () => {
        const [has, should] = [JSON.stringify(conf), JSON.stringify(truth.conf)];
        return `${nodeId} at ${commit} has ${has} active, the log says ${should}`;
      });
      agreed.set(conf, truth.conf);
    },
  };
}

function openConfs(written: LogImage, job: ChainedJob): number {
  const first = job.entries[0]?.entry.index;
  if (first === undefined || !job.entries.some(({ entry }) => entry.kind === "conf")) return 0;
  const known = job.hardState?.commit ?? written.hardState?.commit ?? 0;
  const commit = Math.max(known, job.install?.snapshot.index ?? written.snapshotIndex);
  const fresh = job.entries.filter(({ entry }) => entry.kind === "conf" && entry.index > commit);
  const kept = job.install === null ? written.confsBetween(commit, first) : 0;
  return kept + fresh.length;
}

/** Said again, in other words than the core's. */
function mustBeLegal(committed: CommittedLog, index: number): void {
  const { conf: before } = committed.confAt(index - 1);
  const { conf: after } = committed.confAt(index);
  const [was, is] = [before.votersOutgoing.length > 0, after.votersOutgoing.length > 0];
  const because = (): string => `${JSON.stringify(before)} becomes ${JSON.stringify(after)}`;
  must(before === after || !(was && is), NAME, () => `joint from joint: ${because()}`);
  must(after.voters.length > 0, NAME, () => `nobody votes: ${because()}`);
  if (is && !was) must(Bun.deepEquals(after.votersOutgoing, before.voters), NAME, because);
  if (was && !is) must(Bun.deepEquals(after.voters, before.voters), NAME, because);
  if (!was && !is) must(differences(before.voters, after.voters) <= 1, NAME, because);
  must(!after.learners.some((id) => after.voters.includes(id)), NAME, because);
}

const differences = (left: readonly number[], right: readonly number[]): number =>
  left.filter((id) => !right.includes(id)).length + right.filter((id) => !left.includes(id)).length;
