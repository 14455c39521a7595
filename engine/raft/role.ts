import { assert } from "../lib/assert.ts";
import { NOBODY, type PeerId, type Term } from "../lib/ids.ts";
import { type Core, trace } from "./core.ts";
import { greater } from "./positions.ts";
import { refuseAllReads } from "./read-index.ts";
import { endTransferOnStepDown, noteLeader } from "./transfer.ts";

/** The only place that moves the term. A vote belongs to its term and is forgotten with it. */
function enterTerm(core: Core, term: Term): void {
  assert(term >= core.term, "the term never falls");
  if (term === core.term) return;
  core.term = term;
  core.votedFor = NOBODY;
  core.verified = core.commit;
  // Acknowledgements of an older term are of no use to anybody: their leader is gone.
  core.persist.gated = [];
  core.persist.gatedByNext = [];
}

export function becomeFollower(core: Core, term: Term, leader: PeerId): void {
  leaveRole(core);
  enterTerm(core, term);
  core.role = "follower";
  setLeader(core, leader);
  trace(core, "become-follower");
}

/** Asks whether an election could be won, without touching term or vote (thesis §9.6). */
export function becomePrecandidate(core: Core): void {
  leaveRole(core);
  core.role = "precandidate";
  setLeader(core, NOBODY);
  trace(core, "become-precandidate");
}

export function becomeCandidate(core: Core): void {
  leaveRole(core);
  enterTerm(core, (core.term + 1) as Term);
  core.role = "candidate";
  core.votedFor = core.id;
  setLeader(core, NOBODY);
  trace(core, "become-candidate");
}

/** Forgets what belonged to the role: votes, progress, timers, waiting reads. */
export function leaveRole(core: Core): void {
  refuseAllReads(core);
  endTransferOnStepDown(core);
  core.votes = new Map();
  core.ownVoteDurable = false;
  core.progress = new Map();
  core.uncommittedBytes = 0;
  core.heartbeatDue = false;
  core.heartbeatElapsed = 0;
  restartElectionTimer(core);
}

export function restartElectionTimer(core: Core): void {
  core.electionElapsed = 0;
  core.electionJitter = null;
}

export function setLeader(core: Core, leader: PeerId): void {
  if (core.leader === leader) return;
  refuseForwardedOnChange(core);
  core.leader = leader;
  noteLeader(core, leader);
}

function refuseForwardedOnChange(core: Core): void {
  if (core.reads.forwarded.length > 0) refuseAllReads(core);
}

/** Up to here this node's log is known to equal the log of this term's leader (P6, P7). */
export function verifiedIndex(core: Core): typeof core.verified {
  // An entry of this term can only have come from its leader, together with all before it.
  if (core.log.lastTerm === core.term) return core.log.lastIndex;
  return greater(core.verified, core.commit);
}
