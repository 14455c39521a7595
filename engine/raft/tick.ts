import { NOBODY } from "../lib/ids.ts";
import { isJoint, isVoter } from "./conf.ts";
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

/**
 * The ticks from now on that would only be counted. Whoever drives this node may deliver them late
 * and together, as long as nothing else happens to it meanwhile.
 */
export function quietTicks(core: Core): number {
  const { electionTicks, heartbeatTicks } = core.options;
  const isWaiting =
    core.reads.forwarded.length > 0 ||
    core.persist.underWay.length > 0 ||
    core.transfer.target !== NOBODY ||
    core.transfer.watched !== NOBODY;
  if (isWaiting) return 0;
  if (core.role !== "leader") return ticksToElection(core) - 1;
  if (isJoint(core.conf)) return 0;
  const toCheck = electionTicks - core.electionElapsed;
  return Math.max(0, Math.min(heartbeatTicks - core.heartbeatElapsed, toCheck) - 1);
}

/** At least; the random rest is drawn when it is needed. */
const ticksToElection = (core: Core): number =>
  Math.max(1, patienceOf(core) + (core.electionJitter ?? 0) - core.electionElapsed);

function patienceOf(core: Core): number {
  const { electionTicks } = core.options;
  return isVoter(core.conf, core.id) ? electionTicks : LAST_RESORT * electionTicks;
}

function tickElection(core: Core): void {
  const { electionTicks, rng, campaigns } = core.options;
  const patience = patienceOf(core);
  if (core.electionElapsed < patience) return;
  core.electionJitter ??= rng.below(electionTicks);
  if (core.electionElapsed < patience + core.electionJitter) return;
  core.electionElapsed = 0;
  core.electionJitter = null;
  if (!campaigns) return;
  if (isVoter(core.conf, core.id)) campaign(core);
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
