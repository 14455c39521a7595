import { assert } from "../lib/assert.ts";
import { following, NOBODY, type Term } from "../lib/ids.ts";
import { allMembers, allVoters, isVoter } from "./conf.ts";
import { type Core, send, sendWhenDurable, trace } from "./core.ts";
import { enrol } from "./membership.ts";
import { appendOwn } from "./own-entries.ts";
import { isDiskStalled } from "./persist.ts";
import { ZERO } from "./positions.ts";
import { voteResult } from "./quorum.ts";
import {
  becomeCandidate,
  becomeFollower,
  becomePrecandidate,
  leaveRole,
  restartElectionTimer,
  setLeader,
} from "./role.ts";
import type { Message } from "./types.ts";

type Vote = Message & { kind: "vote" };
type VoteReply = Message & { kind: "vote-reply" };

/** Campaigns by pre-vote, unless that is off. No-op for a node that may not lead. */
export function campaign(core: Core): void {
  if (isVoter(core.conf, core.id) && isFitToLead(core)) start(core);
}

/**
 * For a member that does not vote, when no voter wins. A voter that has a change of membership in
 * its log, but does not know that it is committed, still needs the votes of the old members, and
 * those must refuse a log shorter than theirs: then only the longest log can win, whoever has it.
 * It leads until one entry is committed, which tells everybody (contract 18).
 */
export function campaignAsLastResort(core: Core): void {
  if (core.conf.voters.length > 0 && isFitToLead(core)) start(core);
}

function start(core: Core): void {
  if (core.options.preVote) startPreVote(core);
  else startElection(core, false);
}

/** The leader asks this node to take over: it knows best, so no pre-vote (thesis §3.10). */
export function onTimeoutNow(core: Core, message: Message & { kind: "timeout-now" }): void {
  const isFromLeader = core.leader === NOBODY || core.leader === message.from;
  const isMeant = isFromLeader && isVoter(core.conf, core.id);
  if (isMeant && isFitToLead(core)) startElection(core, true);
}

function isFitToLead(core: Core): boolean {
  if (core.role === "leader" || core.role === "halted") return false;
  // While its state machine is swapped for a snapshot's, it could serve nobody.
  const isWhole = core.damage === null && core.apply.restoring === ZERO;
  return isWhole && !isDiskStalled(core);
}

function startPreVote(core: Core): void {
  becomePrecandidate(core);
  askForVotes(core, { pre: true, transfer: false });
  tally(core, core.id, true);
}

function startElection(core: Core, transfer: boolean): void {
  becomeCandidate(core);
  askForVotes(core, { pre: false, transfer });
  // The own vote counts like any other: once it is on disk (contract 4).
  sendWhenDurable(core, voteReply(core, { to: core.id, pre: false, granted: true }));
}

function askForVotes(
  core: Core,
  options: { readonly pre: boolean; readonly transfer: boolean },
): void {
  const lastIndex = core.log.durable;
  const lastTerm = core.log.termAt(lastIndex);
  assert(lastTerm !== null, "the last durable entry has a known term");
  const term = (options.pre ? core.term + 1 : core.term) as Term;
  for (const to of allVoters(core.conf)) {
    if (to === core.id) continue;
    send(core, { kind: "vote", from: core.id, to, term, lastIndex, lastTerm, ...options });
  }
}

/**
 * Votes for at most one candidate a term, and only for one whose log is at least as up to date
 * (Raft §5.4.1). A pre-vote promises nothing and changes nothing here (P20). The asker's view of
 * the membership counts: this node may not know yet that it votes (P17).
 */
export function onVote(core: Core, vote: Vote): void {
  const isFree = core.votedFor === NOBODY && core.leader === NOBODY;
  const canVote = core.votedFor === vote.from || isFree || (vote.pre && vote.term > core.term);
  const granted = canVote && core.damage === null && isUpToDate(core, vote);
  trace(core, granted ? "grant-vote" : "refuse-vote", vote);
  if (!granted) {
    send(core, voteReply(core, { to: vote.from, pre: vote.pre, granted }));
    return;
  }
  if (vote.pre) {
    send(core, { ...voteReply(core, { to: vote.from, pre: true, granted }), term: vote.term });
    return;
  }
  core.votedFor = vote.from;
  restartElectionTimer(core);
  sendWhenDurable(core, voteReply(core, { to: vote.from, pre: false, granted }));
}

function isUpToDate(core: Core, vote: Vote): boolean {
  const { lastTerm, lastIndex } = core.log;
  if (vote.lastTerm !== lastTerm) return vote.lastTerm > lastTerm;
  return vote.lastIndex >= lastIndex;
}

export function onVoteReply(core: Core, reply: VoteReply): void {
  if (core.role !== (reply.pre ? "precandidate" : "candidate")) return;
  if (reply.from === core.id) core.ownVoteDurable = true;
  tally(core, reply.from, reply.granted);
}

function tally(core: Core, from: typeof core.id, granted: boolean): void {
  if (!core.votes.has(from)) core.votes.set(from, granted);
  const result = voteResult(core.conf, core.votes);
  if (result === "pending") return;
  if (result === "lost") becomeFollower(core, core.term, NOBODY);
  else if (core.role === "precandidate") startElection(core, false);
  else if (core.ownVoteDurable) becomeLeader(core);
}

function becomeLeader(core: Core): void {
  assert(core.role === "candidate", "only a candidate becomes leader");
  leaveRole(core);
  core.role = "leader";
  setLeader(core, core.id);
  core.electionIndex = core.log.lastIndex;
  core.lastSession = 0;
  for (const id of allMembers(core.conf)) {
    if (id !== core.id) enrol(core, id, { next: following(core.log.lastIndex), active: false });
  }
  trace(core, "become-leader");
  // Nothing of earlier terms can be committed, and no read served, without this entry (P2).
  appendOwn(core, "noop", new Uint8Array(0));
}

function voteReply(
  core: Core,
  answer: { readonly to: typeof core.id; readonly pre: boolean; readonly granted: boolean },
): VoteReply {
  return { kind: "vote-reply", from: core.id, term: core.term, ...answer };
}
