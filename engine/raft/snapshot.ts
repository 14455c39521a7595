import { assert } from "../lib/assert.ts";
import { following, type Index, type PeerId } from "../lib/ids.ts";
import { commitTo } from "./commit.ts";
import { type Core, send, trace } from "./core.ts";
import { answersLost } from "./damage.ts";
import { acknowledge, appendReply, followLeader } from "./follower.ts";
import { activate } from "./membership.ts";
import { lesser, ZERO } from "./positions.ts";
import { becomeProbe, type Progress } from "./progress.ts";
import type { Message, Session, SnapshotMeta } from "./types.ts";

/** A complete, verified snapshot has arrived (Raft §7). Contract 12. */
export function onSnapshot(core: Core, message: Message & { kind: "snapshot" }): void {
  followLeader(core, message.from);
  const { snapshot } = message;
  if (answersLost(core, message)) {
    const answer = { index: core.commit, reject: true, lost: true };
    send(core, appendReply(core, message, answer));
    return;
  }
  if (snapshot.term > message.term) return;
  if (snapshot.index > core.commit) {
    if (core.log.termAt(snapshot.index) === snapshot.term) commitTo(core, snapshot.index);
    else restore(core, snapshot);
  }
  acknowledge(core, message, core.commit);
}

/** Nothing of the old log is kept: what the snapshot does not match cannot be trusted (P33). */
function restore(core: Core, snapshot: SnapshotMeta): void {
  core.log.restore(snapshot);
  core.commit = snapshot.index;
  core.verified = snapshot.index;
  core.pendingConfs = [];
  // Waiters of these entries are answered "unknown, ask by id".
  core.ownProposals = core.ownProposals.filter(({ last }) => last > snapshot.index);
  core.persist.install = { snapshot, seq: null };
  core.apply.restoring = snapshot.index;
  core.apply.handedOut = snapshot.index;
  core.apply.fetchId = 0;
  core.apply.fetched = null;
  trace(core, "restore");
  activate(core, snapshot.conf);
}

/**
 * This node can now ship `snapshot`, and keeps the log from `keepFrom` on: never less than what
 * the members of a leader are about to ask for (P35).
 */
export function onSnapshotCreated(core: Core, snapshot: SnapshotMeta, keepFrom: Index): void {
  assert(snapshot.index <= core.applied, "a snapshot holds applied entries only");
  if (core.snapshot !== null && snapshot.index < core.snapshot.index) return;
  core.snapshot = snapshot;
  let from = lesser(keepFrom, following(snapshot.index));
  for (const progress of core.progress.values()) {
    from = lesser(from, firstNeeded(core, progress) ?? from);
  }
  if (from <= core.log.firstIndex) return;
  core.log.compactBefore(from);
  core.out.truncateLogBefore = from;
  trace(core, "compact");
}

/**
 * The first entry that a member needs next: what follows the snapshot it is receiving, or what it
 * has acknowledged. Null: nothing is kept for it, as it is not there, or so far behind that a
 * snapshot serves it sooner. Of whom nothing is known yet, after an election, all may be needed.
 */
function firstNeeded(core: Core, progress: Progress): Index | null {
  if (progress.state === "snapshot") return following(progress.pendingSnapshot);
  if (!progress.active && !progress.wasActive) return null;
  const { firstIndex } = core.log;
  const needed = progress.match === ZERO ? firstIndex : following(progress.match);
  const behind = (core.snapshot?.index ?? ZERO) - needed;
  return needed < firstIndex || behind >= core.options.maxCatchUpEntries ? null : needed;
}

/** The driver finished shipping, or gave up: probe, once the member is heard from again. */
export function onSnapshotSent(
  core: Core,
  sent: { readonly to: PeerId; readonly session: Session; readonly ok: boolean },
): void {
  const progress = core.role === "leader" ? core.progress.get(sent.to) : undefined;
  if (progress?.state !== "snapshot" || progress.session !== sent.session) return;
  if (!sent.ok) progress.pendingSnapshot = progress.match;
  becomeProbe(progress);
  progress.paused = true;
}
