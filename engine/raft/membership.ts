import { assert } from "../lib/assert.ts";
import { following, NOBODY, type PeerId } from "../lib/ids.ts";
import { allMembers, applyConfChange, isJoint, isVoter } from "./conf.ts";
import { decodeConfChange, encodeConfChange } from "./conf-codec.ts";
import { type Core, trace } from "./core.ts";
import { appendOwn } from "./own-entries.ts";
import { greater, ZERO } from "./positions.ts";
import { createProgress, openSession } from "./progress.ts";
import { endTransfer } from "./transfer.ts";
import type { ConfChange, ConfState, Entry } from "./types.ts";

const LEAVE: ConfChange = { changes: [], transition: "auto", context: new Uint8Array(0) };

/**
 * One change at a time, and only when everything before this leader's own first entry is
 * committed: then whoever holds a change in its log has the one before it active (P12, P13).
 */
export const canChangeConf = (core: Core): boolean =>
  core.pendingConfs.length === 0 && core.commit >= core.electionIndex;

/** A voter that is far behind would stall every commit that needs it (P18). */
export function isPromotionTooEarly(core: Core, change: ConfChange): boolean {
  return change.changes.some(({ op, id }) => {
    if (op !== "voter" || id === core.id || isVoter(core.conf, id)) return false;
    const match = core.progress.get(id)?.match ?? ZERO;
    return core.log.lastIndex - match > core.options.learnerPromoteLag;
  });
}

export function appendConf(core: Core, change: ConfChange): Entry {
  const entry = appendOwn(core, "conf", encodeConfChange(change));
  core.pendingConfs.push({ index: entry.index, change });
  return entry;
}

/** Notes the configuration entry just appended to a follower's log; others are no news. */
export function notePendingConf(core: Core, entry: Entry): void {
  if (entry.kind !== "conf") return;
  const change = decodeConfChange(entry.data);
  assert(change !== null, "configuration entries are decoded before they are appended");
  core.pendingConfs.push({ index: entry.index, change });
}

/** Activates every configuration whose entry has just been committed. True if there was one. */
export function activateCommittedConfs(core: Core): boolean {
  let changed = false;
  while (core.pendingConfs[0] !== undefined && core.pendingConfs[0].index <= core.commit) {
    const { change } = core.pendingConfs[0];
    core.pendingConfs.shift();
    // A change that cannot follow changes nothing, alike on every node.
    activate(core, applyConfChange(core.conf, change) ?? core.conf);
    changed = true;
  }
  return changed;
}

export function activate(core: Core, conf: ConfState): void {
  core.conf = conf;
  core.out.conf = conf;
  trace(core, "conf");
  if (core.role !== "leader") return;
  enrolMembers(core);
  const { target } = core.transfer;
  if (target !== NOBODY && !isVoter(conf, target)) endTransfer(core, "target-behind");
}

/** Gives every member a progress. Those who left keep theirs until they were told (`dismiss`). */
function enrolMembers(core: Core): void {
  const members = allMembers(core.conf);
  for (const id of members) {
    if (id === core.id) continue;
    const progress = core.progress.get(id);
    if (progress === undefined) {
      // A newcomer counts as heard from, or the next check of the quorum could fail for it.
      enrol(core, id, { next: greater(core.log.lastIndex, following(ZERO)), active: true });
      continue;
    }
    if (progress.departing) openSession(progress, nextSession(core), core.log.lastIndex);
    progress.departing = false;
    progress.learner = !isVoter(core.conf, id);
  }
  for (const progress of core.progress.values()) {
    progress.departing = !members.includes(progress.id);
  }
}

/** Starts a fresh session with a member: nothing acknowledged, nothing assumed. */
export function enrol(
  core: Core,
  id: PeerId,
  from: { readonly next: Entry["index"]; readonly active: boolean },
): void {
  const learner = !isVoter(core.conf, id);
  core.progress.set(id, createProgress({ id, learner, session: nextSession(core), ...from }));
}

export function nextSession(core: Core): number {
  core.lastSession += 1;
  return core.lastSession;
}

/** After the last message was sent to those who left, they are forgotten. */
export function dismiss(core: Core): void {
  for (const progress of core.progress.values()) {
    if (progress.departing) core.progress.delete(progress.id);
  }
}

/**
 * Any leader ends a joint configuration that ends by itself, not only the one who began (P15). It
 * does so once it applied something of its own term; a tick tries again, after a transfer say.
 */
export function leaveJointWhenDue(core: Core): void {
  if (core.role !== "leader" || !isJoint(core.conf) || !core.conf.autoLeave) return;
  if (!canChangeConf(core) || core.transfer.target !== NOBODY) return;
  appendConf(core, LEAVE);
}

/**
 * A leader that no longer votes leads no more, once it has told the others so (P14). If it was
 * elected because nobody else could be, it first commits an entry that makes another electable.
 */
export const isRemovedLeader = (core: Core): boolean =>
  core.role === "leader" &&
  core.options.stepDownOnRemoval &&
  core.commit > core.electionIndex &&
  !isVoter(core.conf, core.id);
