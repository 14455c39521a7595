import { following, type PeerId } from "../lib/ids.ts";
import { advanceCommit } from "./commit.ts";
import type { Core } from "./core.ts";
import { nextSession } from "./membership.ts";
import {
  becomeProbe,
  becomeReplicate,
  noteAcknowledged,
  noteRejected,
  openSession,
  type Progress,
} from "./progress.ts";
import { confirmReads } from "./read-index.ts";
import { sendTimeoutNowWhenCaughtUp } from "./transfer.ts";
import type { Message } from "./types.ts";

type AppendReply = Message & { kind: "append-reply" };
type HeartbeatReply = Message & { kind: "heartbeat-reply" };

/** The member a reply speaks of; null for strangers and for replies of an older session (P11). */
function progressOf(core: Core, reply: AppendReply | HeartbeatReply): Progress | null {
  if (core.role !== "leader") return null;
  const progress = core.progress.get(reply.from);
  if (progress === undefined || progress.session !== reply.session) return null;
  progress.active = true;
  progress.lag = reply.lag;
  return progress;
}

export function onAppendReply(core: Core, reply: AppendReply): void {
  const progress = progressOf(core, reply);
  if (progress === null) return;
  if (reply.lost) restartSession(core, progress);
  else if (reply.reject) onRejected(core, progress, reply);
  else onAcknowledged(core, progress, reply);
}

export function onHeartbeatReply(core: Core, reply: HeartbeatReply): void {
  const progress = progressOf(core, reply);
  if (progress === null) return;
  if (reply.lost) {
    restartSession(core, progress);
    return;
  }
  progress.paused = false;
  // An append or its answer may have been lost, or the window may be stuck: ask (P41).
  progress.askAgain = progress.match < core.log.lastIndex || progress.state === "probe";
  if (reply.readSeq > progress.readAck && reply.readSeq <= core.reads.seq) {
    progress.readAck = reply.readSeq;
    confirmReads(core);
  }
}

function onAcknowledged(core: Core, progress: Progress, reply: AppendReply): void {
  if (reply.index > core.log.lastIndex) return;
  const isNews = noteAcknowledged(progress, reply.index);
  if (progress.state === "probe" && (isNews || progress.match === reply.index)) {
    becomeReplicate(progress);
  }
  // Any snapshot that lets replication resume will do, not only the one that was sent (P34).
  if (progress.state === "snapshot" && progress.match + 1 >= core.log.firstIndex) {
    becomeReplicate(progress);
  }
  if (!isNews) return;
  advanceCommit(core);
  sendTimeoutNowWhenCaughtUp(core, progress.id);
}

function onRejected(core: Core, progress: Progress, reply: AppendReply): void {
  const isProbing = progress.state === "probe" && progress.next - 1 === reply.index;
  if (isProbing && reply.index === progress.match && reply.index > 0) {
    // It refuses exactly what it had acknowledged: its log is not what it was (contract 16).
    restartSession(core, progress);
    return;
  }
  const hint = core.log.conflictHint(reply.hintIndex, reply.hintTerm);
  noteRejected(progress, reply.index, reply.hintTerm > 0 ? hint.index : reply.hintIndex);
}

function restartSession(core: Core, progress: Progress): void {
  openSession(progress, nextSession(core), following(core.log.lastIndex));
}

/** The transport lost contact: what was in flight may be gone. */
export function onUnreachable(core: Core, peer: PeerId): void {
  const progress = core.role === "leader" ? core.progress.get(peer) : undefined;
  if (progress === undefined) return;
  progress.wasActive = false;
  if (progress.state === "replicate") becomeProbe(progress);
}
