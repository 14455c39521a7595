import { following, type Index, type PeerId } from "../lib/ids.ts";
import { commitTo } from "./commit.ts";
import { decodeConfChange } from "./conf-codec.ts";
import { type Core, send, sendWhenDurable, trace } from "./core.ts";
import { answersLost, noteWholeAt } from "./damage.ts";
import { notePendingConf } from "./membership.ts";
import { greater, lesser, preceding, ZERO } from "./positions.ts";
import { becomeFollower, restartElectionTimer, setLeader, verifiedIndex } from "./role.ts";
import type { Entry, Message } from "./types.ts";

type Append = Message & { kind: "append" };
type Heartbeat = Message & { kind: "heartbeat" };
type AppendReply = Message & { kind: "append-reply" };

/** Entries committed here and not yet applied: the leader shows it as this member's lag. */
export const applyLag = (core: Core): number => Math.max(0, core.commit - core.applied);

/** Follows the leader of this term. Only the leader of a term sends what leads here. */
export function followLeader(core: Core, leader: PeerId): void {
  if (core.role !== "follower") becomeFollower(core, core.term, leader);
  restartElectionTimer(core);
  setLeader(core, leader);
}

/** Raft §5.3. Acknowledges what this very message has shown to match, no more (P8). */
export function onAppend(core: Core, append: Append): void {
  followLeader(core, append.from);
  if (!isWellFormed(append)) return;
  if (answersLost(core, append)) {
    send(core, appendReply(core, append, { index: append.prevIndex, reject: true, lost: true }));
    return;
  }
  if (append.prevIndex < core.commit) {
    acknowledge(core, append, core.commit);
    return;
  }
  if (core.log.termAt(append.prevIndex) !== append.prevTerm) {
    reject(core, append);
    return;
  }
  if (!adoptEntries(core, append.entries)) return;
  const verified = (append.prevIndex + append.entries.length) as Index;
  core.verified = greater(core.verified, verified);
  commitTo(core, lesser(append.commit, verified));
  noteWholeAt(core, append);
  acknowledge(core, append, verified);
}

/** A heartbeat moves the commit index, but never past what is known to match (P6). */
export function onHeartbeat(core: Core, heartbeat: Heartbeat): void {
  followLeader(core, heartbeat.from);
  const lost = answersLost(core, heartbeat);
  if (!lost) commitTo(core, lesser(heartbeat.commit, verifiedIndex(core)));
  const { from, session } = heartbeat;
  // A damaged node may have forgotten a newer leader: it confirms no reads.
  const readSeq = core.damage === null ? heartbeat.readSeq : 0;
  send(core, {
    kind: "heartbeat-reply",
    from: core.id,
    to: from,
    term: core.term,
    session,
    readSeq,
    lag: applyLag(core),
    lost,
  });
}

export function acknowledge(
  core: Core,
  request: Append | (Message & { kind: "snapshot" }),
  index: Index,
): void {
  sendWhenDurable(core, appendReply(core, request, { index, reject: false, lost: false }));
}

function reject(core: Core, append: Append): void {
  const upTo = lesser(append.prevIndex, core.log.lastIndex);
  const hint = core.log.conflictHint(upTo, append.prevTerm);
  const reply = appendReply(core, append, { index: append.prevIndex, reject: true, lost: false });
  send(core, { ...reply, hintIndex: hint.index, hintTerm: hint.term });
}

export function appendReply(
  core: Core,
  request: { readonly from: PeerId; readonly session: number },
  answer: { readonly index: Index; readonly reject: boolean; readonly lost: boolean },
): AppendReply {
  return {
    kind: "append-reply",
    from: core.id,
    to: request.from,
    term: core.term,
    session: request.session,
    hintIndex: ZERO,
    hintTerm: 0 as AppendReply["hintTerm"],
    lag: applyLag(core),
    ...answer,
  };
}

/**
 * Appends what is new and truncates only where the logs differ: a late duplicate must not take
 * acknowledged entries away (P9). False: it contradicts what is committed, so it is no Raft.
 */
function adoptEntries(core: Core, entries: readonly Entry[]): boolean {
  const firstNew = entries.findIndex(({ index, term }) => core.log.termAt(index) !== term);
  const conflict = entries[firstNew];
  if (conflict === undefined) return true;
  if (conflict.index <= core.commit) return false;
  if (conflict.index <= core.log.lastIndex) truncateFrom(core, conflict.index);
  for (let place = firstNew; place < entries.length; place++) {
    const entry = entries[place];
    if (entry === undefined) break;
    core.log.append(entry);
    notePendingConf(core, entry);
  }
  trace(core, "append");
  return true;
}

function truncateFrom(core: Core, index: Index): void {
  core.log.truncateFrom(index);
  core.pendingConfs = core.pendingConfs.filter((pending) => pending.index < index);
  core.verified = lesser(core.verified, preceding(index));
  trace(core, "truncate");
}

/** Gapless, terms in order, configuration changes readable. Anything else is not from a leader. */
function isWellFormed(append: Append): boolean {
  let index = append.prevIndex;
  let term = append.prevTerm;
  for (const entry of append.entries) {
    if (entry.index !== following(index) || entry.term < term) return false;
    if (entry.kind === "conf" && decodeConfChange(entry.data) === null) return false;
    index = entry.index;
    term = entry.term;
  }
  return term <= append.term && append.prevIndex >= ZERO;
}
