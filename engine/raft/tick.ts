import { NOBODY } from "../lib/ids.ts";
import { isVoter } from "./conf.ts";
import { type Core, trace } from "./core.ts";
import { campaign, campaignAsLastResort } from "./election.ts";
import { leaveJointWhenDue } from "./membership.ts";
import { isDiskStalled } from "./persist.ts";
import { voteResult } from "./quorum.ts";
import { expireForwardedReads } from "./read-index.ts";
import { becomeFollower } from "./role.ts";
import { tickTransfer } from "./transfer.ts";

/** Election timeouts without a leader before a member that does not vote campaigns. */
const LAST_RESORT = 4;

export function onTick(core: Core): void {
  core.tickCount += 1;
  core.electionElapsed += 1;
  expireForwardedReads(core);
  tickTransfer(core);
  if (core.role === "leader") tickLeader(core);
  else tickElection(core);
}

function tickElection(core: Core): void {
  const { electionTicks, rng, campaigns } = core.options;
  const isVoting = isVoter(core.conf, core.id);
  const patience = isVoting ? electionTicks : LAST_RESORT * electionTicks;
  if (core.electionElapsed < patience) return;
  core.electionJitter ??= rng.below(electionTicks);
  if (core.electionElapsed < patience + core.electionJitter) return;
  core.electionElapsed = 0;
  core.electionJitter = null;
  if (!campaigns) return;
  if (isVoting) campaign(core);
  else campaignAsLastResort(core);
}

function tickLeader(core: Core): void {
  leaveJointWhenDue(core);
  core.heartbeatElapsed += 1;
  if (core.heartbeatElapsed >= core.options.heartbeatTicks) {
    core.heartbeatElapsed = 0;
    core.heartbeatDue = true;
  }
  if (isDiskStalled(core)) stepDown(core, "disk-stalled");
  else if (core.electionElapsed >= core.options.electionTicks) checkQuorum(core);
}

/** A leader that no quorum answers leads nobody, and must let clients look elsewhere (P5, P49). */
function checkQuorum(core: Core): void {
  core.electionElapsed = 0;
  const heard = new Map([[core.id, true]]);
  for (const progress of core.progress.values()) {
    heard.set(progress.id, progress.active);
    progress.wasActive = progress.active;
    progress.active = false;
  }
  const hasQuorum = voteResult(core.conf, heard) === "won";
  if (core.options.checkQuorum && !hasQuorum) stepDown(core, "quorum-lost");
}

function stepDown(core: Core, why: "quorum-lost" | "disk-stalled"): void {
  trace(core, why);
  becomeFollower(core, core.term, NOBODY);
}
