import type * as wire from "../../proto/gen/nl/v1/raft.ts";
import { unreachable } from "../lib/assert.ts";
import type { Index, PeerId, Term } from "../lib/ids.ts";
import type { ConfState, Entry, EntryKind, Message, SnapshotMeta } from "../raft/types.ts";

/** DESIGN §4, Limits: an entry of the log. */
export const ENTRY_BYTES_MAX = 512 * 1024;
/** A quarter of what a frame could hold at the least possible size of an entry. */
const ENTRIES_MAX = 128 * 1024;
const MEMBERS_MAX = 1024;
/** A plain file name: not a path, not hidden. */
const SNAPSHOT_ID = /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$/;
const SHA256 = /^[0-9a-f]{64}$/;
/** Position = the number on the wire. */
const ENTRY_KINDS: readonly EntryKind[] = ["normal", "noop", "conf"];

/** Raft message → wire. Entry data is passed on as it is: opaque, never encoded again. */
export const encodeMessage = (message: Message): wire.RaftMessage => ({
  from: message.from,
  to: message.to,
  term: message.term,
  kind: encodeKind(message),
});

/**
 * Wire → Raft message; null for anything the core must never see (contract 2): no kind, nobody as
 * sender, too much, entries whose terms go backwards. Integers above 2^53-1 do not get this far:
 * the decoder of the bytes refuses them.
 */
export function decodeMessage(message: wire.RaftMessage): Message | null {
  const { from, to, term } = message;
  if (from === 0 || to === 0) return null;
  const body = decodeKind(message.kind, term);
  if (body === null) return null;
  return { from: from as PeerId, to: to as PeerId, term: term as Term, ...body };
}

/** An upper bound of the bytes of the message on the wire. */
export function messageBytes(message: Message): number {
  if (message.kind === "append") {
    let bytes = MESSAGE_OVERHEAD_BYTES;
    for (const entry of message.entries) bytes += ENTRY_OVERHEAD_BYTES + entry.data.length;
    return bytes;
  }
  if (message.kind !== "snapshot") return MESSAGE_OVERHEAD_BYTES;
  const { voters, votersOutgoing, learners, learnersNext } = message.snapshot.conf;
  const members = voters.length + votersOutgoing.length + learners.length + learnersNext.length;
  return MESSAGE_OVERHEAD_BYTES + 256 + 8 * members;
}

/** Tags and the longest varints of head and body. */
const MESSAGE_OVERHEAD_BYTES = 96;
/** Tags, term, kind and lengths of one entry. */
const ENTRY_OVERHEAD_BYTES = 20;

type WireKind = NonNullable<wire.RaftMessage["kind"]>;
type Body<M = Message> = M extends Message ? Omit<M, "from" | "to" | "term"> : never;

function encodeKind(message: Message): WireKind {
  switch (message.kind) {
    case "vote":
      return { $case: "vote", value: message };
    case "vote-reply":
      return { $case: "voteReply", value: message };
    case "append":
      return { $case: "append", value: { ...message, entries: message.entries.map(encodeEntry) } };
    case "append-reply":
      return { $case: "appendReply", value: message };
    case "heartbeat":
      return { $case: "heartbeat", value: message };
    case "heartbeat-reply":
      return { $case: "heartbeatReply", value: message };
    case "snapshot":
      return { $case: "snapshot", value: encodeSnapshot(message.session, message.snapshot) };
    case "timeout-now":
      return { $case: "timeoutNow", value: {} };
    case "read-index":
      return { $case: "readIndex", value: message };
    case "read-index-reply":
      return { $case: "readIndexReply", value: message };
    default:
      return unreachable(message);
  }
}

function decodeKind(kind: wire.RaftMessage["kind"], term: number): Body | null {
  switch (kind?.$case) {
    case undefined:
      return null;
    case "vote": {
      const { pre, lastIndex, lastTerm, transfer } = kind.value;
      const last = { lastIndex: lastIndex as Index, lastTerm: lastTerm as Term };
      return { kind: "vote", pre, ...last, transfer };
    }
    case "voteReply":
      return { kind: "vote-reply", pre: kind.value.pre, granted: kind.value.granted };
    case "append":
      return decodeAppend(kind.value, term);
    case "appendReply":
      return decodeAppendReply(kind.value);
    case "heartbeat": {
      const { session, commit, readSeq } = kind.value;
      return { kind: "heartbeat", session, commit: commit as Index, readSeq };
    }
    case "heartbeatReply": {
      const { session, readSeq, lag, lost } = kind.value;
      return { kind: "heartbeat-reply", session, readSeq, lag, lost };
    }
    case "snapshot":
      return decodeSnapshot(kind.value);
    case "timeoutNow":
      return { kind: "timeout-now" };
    case "readIndex":
      return { kind: "read-index", ctx: kind.value.ctx };
    case "readIndexReply":
      return { kind: "read-index-reply", ctx: kind.value.ctx, index: kind.value.index as Index };
    default:
      return unreachable(kind);
  }
}

/** The generated type says Buffer; writing needs no more than bytes, so no view of them is made. */
const encodeEntry = (entry: Entry): wire.Entry => ({
  term: entry.term,
  kind: ENTRY_KINDS.indexOf(entry.kind),
  data: entry.data as Buffer,
});

function decodeAppend(append: wire.Append, term: number): Body | null {
  const { session, prevIndex, prevTerm, commit } = append;
  if (append.entries.length > ENTRIES_MAX) return null;
  if (!Number.isSafeInteger(prevIndex + append.entries.length)) return null;
  const entries: Entry[] = [];
  let least = prevTerm;
  for (const entry of append.entries) {
    const kind = ENTRY_KINDS[entry.kind];
    if (kind === undefined || entry.data.length > ENTRY_BYTES_MAX) return null;
    if (entry.term < least || entry.term > term) return null;
    least = entry.term;
    const index = (prevIndex + entries.length + 1) as Index;
    entries.push({ index, term: entry.term as Term, kind, data: entry.data });
  }
  const previous = { prevIndex: prevIndex as Index, prevTerm: prevTerm as Term };
  return { kind: "append", session, ...previous, entries, commit: commit as Index };
}

function decodeAppendReply(reply: wire.AppendReply): Body {
  const { session, index, reject, hintIndex, hintTerm, lag, lost } = reply;
  const hint = { hintIndex: hintIndex as Index, hintTerm: hintTerm as Term };
  return { kind: "append-reply", session, index: index as Index, reject, ...hint, lag, lost };
}

function encodeSnapshot(session: number, snapshot: SnapshotMeta): wire.SnapshotOffer {
  const { index, term, conf, id, bytes, sha256 } = snapshot;
  const members = {
    voters: [...conf.voters],
    votersOutgoing: [...conf.votersOutgoing],
    learners: [...conf.learners],
    learnersNext: [...conf.learnersNext],
    autoLeave: conf.autoLeave,
  };
  return { session, index, snapshotTerm: term, conf: members, id, bytes, sha256 };
}

function decodeSnapshot(offer: wire.SnapshotOffer): Body | null {
  const { session, index, snapshotTerm, id, bytes, sha256 } = offer;
  const conf = decodeConf(offer.conf);
  if (conf === null || index === 0 || !SNAPSHOT_ID.test(id) || !SHA256.test(sha256)) return null;
  const position = { index: index as Index, term: snapshotTerm as Term };
  return { kind: "snapshot", session, snapshot: { ...position, conf, id, bytes, sha256 } };
}

function decodeConf(conf: wire.ConfStateRecord | undefined): ConfState | null {
  if (conf === undefined || conf.voters.length === 0) return null;
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = conf;
  const lists = [voters, votersOutgoing, learners, learnersNext];
  if (lists.some((ids) => ids.length > MEMBERS_MAX || ids.includes(0))) return null;
  if (lists.some((ids) => new Set(ids).size !== ids.length)) return null;
  return {
    voters: voters as PeerId[],
    votersOutgoing: votersOutgoing as PeerId[],
    learners: learners as PeerId[],
    learnersNext: learnersNext as PeerId[],
    autoLeave,
  };
}
