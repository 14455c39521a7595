import { unreachable } from "../lib/assert.ts";
import { NOBODY } from "../lib/ids.ts";
import { type Core, send, trace } from "./core.ts";
import { onTimeoutNow, onVote, onVoteReply } from "./election.ts";
import { appendReply, onAppend, onHeartbeat } from "./follower.ts";
import { ZERO } from "./positions.ts";
import { onReadIndex, onReadIndexReply } from "./read-index.ts";
import { onAppendReply, onHeartbeatReply } from "./replication.ts";
import { becomeFollower } from "./role.ts";
import { onSnapshot } from "./snapshot.ts";
import type { Message } from "./types.ts";

type FromLeader = Message & { kind: "append" | "heartbeat" | "snapshot" };

/** Total: whatever a peer sends, however late or often, leaves a valid state (contract 2). */
export function onMessage(core: Core, message: Message): void {
  if (message.to !== core.id || message.from === core.id) return;
  trace(core, "receive", message);
  // Reads rest on a quorum of now, whatever the terms of the asker and the asked.
  if (message.kind === "read-index-reply") onReadIndexReply(core, message);
  else if (message.term < core.term) onOlderTerm(core, message);
  else if (message.term === core.term || enterNewerTerm(core, message)) dispatch(core, message);
}

/** False: the message changes nothing here. */
function enterNewerTerm(core: Core, message: Message): boolean {
  if (message.kind === "vote") {
    if (!message.transfer && hearsAnotherLeader(core, message)) return false;
    if (message.pre) return true;
  }
  // A granted pre-vote names the term asked about, which nobody has entered yet.
  if (message.kind === "vote-reply" && message.pre && message.granted) return true;
  becomeFollower(core, message.term, isFromLeader(message) ? message.from : NOBODY);
  return true;
}

/**
 * Stickiness: within an election timeout of its leader a node takes part in no election, so a
 * member that was cut off or removed cannot disrupt (thesis §4.2.3). The leader itself may ask:
 * then it knows that it leads no more (P21).
 */
const hearsAnotherLeader = (core: Core, vote: Message & { kind: "vote" }): boolean =>
  core.options.checkQuorum &&
  core.leader !== NOBODY &&
  core.leader !== vote.from &&
  core.electionElapsed < core.options.electionTicks;

const isFromLeader = (message: Message): message is FromLeader =>
  message.kind === "append" || message.kind === "heartbeat" || message.kind === "snapshot";

function onOlderTerm(core: Core, message: Message): void {
  if (isFromLeader(message)) informOldLeader(core, message);
  // A candidate without pre-vote finds out by itself; one that only asks must be told the term.
  else if (message.kind === "vote" && message.pre) refusePreVote(core, message);
  else if (message.kind === "read-index") onReadIndex(core, message);
}

/**
 * A leader of the past learns the present term, or a node that was cut off while its term grew
 * could never be led again: stickiness keeps it from being elected (P19).
 */
function informOldLeader(core: Core, message: FromLeader): void {
  if (!core.options.preVote && !core.options.checkQuorum) return;
  send(core, appendReply(core, message, { index: ZERO, reject: true, lost: false }));
}

function refusePreVote(core: Core, { from }: Message): void {
  const answer = { pre: true, granted: false };
  send(core, { kind: "vote-reply", from: core.id, to: from, term: core.term, ...answer });
}

function dispatch(core: Core, message: Message): void {
  // Another leader of this term cannot be; whoever says so is not listened to.
  if (core.role === "leader" && isFromLeader(message)) return;
  switch (message.kind) {
    case "vote":
      onVote(core, message);
      return;
    case "vote-reply":
      onVoteReply(core, message);
      return;
    case "append":
      onAppend(core, message);
      return;
    case "heartbeat":
      onHeartbeat(core, message);
      return;
    case "snapshot":
      onSnapshot(core, message);
      return;
    case "append-reply":
      onAppendReply(core, message);
      return;
    case "heartbeat-reply":
      onHeartbeatReply(core, message);
      return;
    case "timeout-now":
      onTimeoutNow(core, message);
      return;
    case "read-index":
      onReadIndex(core, message);
      return;
    case "read-index-reply":
      return;
    default:
      unreachable(message);
  }
}
