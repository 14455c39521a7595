import type { ConfState } from "../../engine/raft/types.ts";
import type { Checker, Membership } from "./checker.ts";
import { ackedEntriesDurable } from "./checkers/acked-entries-durable.ts";
import { applyOnce } from "./checkers/apply-once.ts";
import { attemptsDoNotOverlap } from "./checkers/attempts-do-not-overlap.ts";
import { attemptsStartOnce } from "./checkers/attempts-start-once.ts";
import { CommittedLog } from "./checkers/committed-log.ts";
import { committedOnQuorum } from "./checkers/committed-on-quorum.ts";
import { confOneAtATime } from "./checkers/conf-one-at-a-time.ts";
import { deposedLeadersYield } from "./checkers/deposed-leaders-yield.ts";
import { durableBeforeSent } from "./checkers/durable-before-sent.ts";
import { electionSafety } from "./checkers/election-safety.ts";
import { featureLevels } from "./checkers/feature-levels.ts";
import { freshReads } from "./checkers/fresh-reads.ts";
import { leaderAppendOnly } from "./checkers/leader-append-only.ts";
import { leaderCompleteness } from "./checkers/leader-completeness.ts";
import { logMatching } from "./checkers/log-matching.ts";
import { monotonic } from "./checkers/monotonic.ts";
import { progressSane } from "./checkers/progress-sane.ts";
import { resultsFinal } from "./checkers/results-final.ts";
import { stateMachineSafety } from "./checkers/state-machine-safety.ts";
import { truncationAboveCommit } from "./checkers/truncation-above-commit.ts";

/** Properties 1–13, 16 and 18 of `reference/raft.md` §6.1, as far as Raft alone shows them. */
export function raftCheckers(
  members: Membership,
  founding: ConfState,
  timing: Parameters<typeof deposedLeadersYield>[0],
): readonly Checker[] {
  const committed = new CommittedLog(founding);
  return [
    committed,
    electionSafety(),
    leaderAppendOnly(),
    logMatching(),
    leaderCompleteness(members),
    stateMachineSafety(),
    committedOnQuorum(members, committed),
    ackedEntriesDurable(members, committed),
    monotonic(),
    confOneAtATime(committed),
    truncationAboveCommit(committed),
    progressSane(members),
    durableBeforeSent(),
    applyOnce(),
    freshReads(),
    deposedLeadersYield(timing),
  ];
}

/** What SEMANTICS promises about jobs and their attempts. */
export const jobCheckers = (): readonly Checker[] => [
  attemptsStartOnce(),
  attemptsDoNotOverlap(),
  resultsFinal(),
  featureLevels(),
];
