import type { PeerId } from "../lib/ids.ts";
import type { ConfState } from "./types.ts";

export type VoteResult = "won" | "lost" | "pending";

/** Grown on demand and reused: the core is single-threaded, so one scratch serves every caller. */
let scratch = new Float64Array(16);

/**
 * The largest value that a quorum has reached: of the voters, and while joint of both halves.
 * Recomputed from scratch each time: an incrementally sorted structure is a bug waiting (P47).
 */
export function agreedValue(conf: ConfState, reachedBy: (id: PeerId) => number): number {
  const incoming = majorityValue(conf.voters, reachedBy);
  if (conf.votersOutgoing.length === 0) return incoming;
  return Math.min(incoming, majorityValue(conf.votersOutgoing, reachedBy));
}

/** Counts the answers to a vote; while joint both halves must be won (thesis §4.3). */
export function voteResult(conf: ConfState, votes: ReadonlyMap<PeerId, boolean>): VoteResult {
  const incoming = majorityVote(conf.voters, votes);
  if (conf.votersOutgoing.length === 0) return incoming;
  const outgoing = majorityVote(conf.votersOutgoing, votes);
  if (incoming === "lost" || outgoing === "lost") return "lost";
  return incoming === "won" && outgoing === "won" ? "won" : "pending";
}

/** More than half of `size`: 1→1, 2→2, 3→2, 4→3, 5→3. */
const quorumSize = (size: number): number => Math.floor(size / 2) + 1;

function majorityValue(voters: readonly PeerId[], reachedBy: (id: PeerId) => number): number {
  const size = voters.length;
  if (size === 0) return 0;
  if (scratch.length < size) scratch = new Float64Array(size * 2);
  let count = 0;
  for (const voter of voters) {
    insertSorted(count, reachedBy(voter));
    count += 1;
  }
  // Ascending order: exactly quorumSize voters stand at or above this place.
  return scratch[size - quorumSize(size)] ?? 0;
}

function insertSorted(count: number, value: number): void {
  let place = count;
  while (place > 0 && (scratch[place - 1] ?? 0) > value) {
    scratch[place] = scratch[place - 1] ?? 0;
    place -= 1;
  }
  scratch[place] = value;
}

function majorityVote(voters: readonly PeerId[], votes: ReadonlyMap<PeerId, boolean>): VoteResult {
  let granted = 0;
  let refused = 0;
  for (const voter of voters) {
    const vote = votes.get(voter);
    if (vote === true) granted += 1;
    if (vote === false) refused += 1;
  }
  const needed = quorumSize(voters.length);
  if (granted >= needed) return "won";
  return voters.length - refused < needed ? "lost" : "pending";
}
