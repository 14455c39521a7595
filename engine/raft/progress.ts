import { assert } from "../lib/assert.ts";
import { following, type Index, type PeerId } from "../lib/ids.ts";
import { greater, lesser, preceding, ZERO } from "./positions.ts";
import type { Entry, Session } from "./types.ts";

/** What the leader knows about one member's log (thesis §10.2.1). Mutated in place. */
export type Progress = {
  readonly id: PeerId;
  learner: boolean;
  /** No longer a member, but not yet told: dropped after the next round of messages. */
  departing: boolean;
  session: Session;
  /**
   * probe: one append at a time until an answer; replicate: a pipeline within the window;
   * snapshot: nothing until the snapshot has arrived or failed.
   */
  state: "probe" | "replicate" | "snapshot";
  match: Index;
  next: Index;
  /** A probe is under way: wait for its answer or for a heartbeat's. */
  paused: boolean;
  /** Ask with an append, be it empty, because a heartbeat showed that something is missing. */
  askAgain: boolean;
  /** Index of the snapshot under way. */
  pendingSnapshot: Index;
  /** Heard from since the last check of the quorum. */
  active: boolean;
  /** Heard from in the window before that; trusted for one window by a new leader. */
  wasActive: boolean;
  /** Largest commit index sent in an append of this session. */
  sentCommit: Index;
  /** Largest `readSeq` this member answered. */
  readAck: number;
  lag: number;
  inflight: { readonly last: Index; readonly bytes: number }[];
  inflightBytes: number;
  /** Entries older than the cache: asked for under this id, 0 = nothing asked. */
  fetchId: number;
  fetched: readonly Entry[] | null;
};

export function createProgress(options: {
  readonly id: PeerId;
  readonly learner: boolean;
  readonly next: Index;
  readonly session: Session;
  readonly active: boolean;
}): Progress {
  return {
    ...options,
    departing: false,
    wasActive: true,
    state: "probe",
    match: ZERO,
    paused: false,
    askAgain: false,
    pendingSnapshot: ZERO,
    sentCommit: ZERO,
    readAck: 0,
    lag: 0,
    inflight: [],
    inflightBytes: 0,
    fetchId: 0,
    fetched: null,
  };
}

/** Starts from nothing: what an earlier incarnation acknowledged does not count (P11). */
export function openSession(progress: Progress, session: Session, next: Index): void {
  progress.session = session;
  progress.match = ZERO;
  progress.readAck = 0;
  becomeProbe(progress);
  progress.next = next;
}

export function becomeProbe(progress: Progress): void {
  const arrived = progress.state === "snapshot" ? progress.pendingSnapshot : ZERO;
  resetState(progress, "probe");
  progress.next = following(greater(progress.match, arrived));
}

export function becomeReplicate(progress: Progress): void {
  const { sentCommit } = progress;
  resetState(progress, "replicate");
  // What the probe carried has arrived.
  progress.sentCommit = sentCommit;
  progress.next = following(progress.match);
}

export function becomeSnapshot(progress: Progress, index: Index): void {
  resetState(progress, "snapshot");
  progress.pendingSnapshot = index;
  progress.next = following(index);
}

function resetState(progress: Progress, state: Progress["state"]): void {
  progress.state = state;
  progress.paused = false;
  progress.askAgain = false;
  progress.pendingSnapshot = ZERO;
  progress.sentCommit = ZERO;
  progress.inflight = [];
  progress.inflightBytes = 0;
  progress.fetchId = 0;
  progress.fetched = null;
}

export function noteSent(progress: Progress, last: Index, bytes: number): void {
  progress.inflight.push({ last, bytes });
  progress.inflightBytes += bytes;
  progress.next = following(last);
}

/** True when the acknowledgement moved `match`: it never moves back (P10). */
export function noteAcknowledged(progress: Progress, index: Index): boolean {
  while (progress.inflight[0] !== undefined && progress.inflight[0].last <= index) {
    progress.inflightBytes -= progress.inflight[0].bytes;
    progress.inflight.shift();
  }
  const isNews = index > progress.match;
  progress.match = greater(progress.match, index);
  progress.next = greater(progress.next, following(progress.match));
  assert(progress.match < progress.next, "match stays below next");
  return isNews;
}

/**
 * Moves `next` back after a rejection. False: the rejection is stale and changes nothing (P42).
 * `hint` is the last position where the logs may agree.
 */
export function noteRejected(progress: Progress, rejected: Index, hint: Index): boolean {
  if (progress.state === "replicate") {
    if (rejected <= progress.match) return false;
    becomeProbe(progress);
    return true;
  }
  if (progress.state !== "probe" || rejected !== progress.next - 1) return false;
  const back = lesser(rejected, following(hint));
  progress.next = greater(back, following(progress.match));
  progress.paused = false;
  progress.fetchId = 0;
  progress.fetched = null;
  return true;
}

export const probedPosition = (progress: Progress): Index => preceding(progress.next);
