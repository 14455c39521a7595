import { following, NOBODY } from "../lib/ids.ts";
import { nextBatch } from "./apply.ts";
import { type Core, trace } from "./core.ts";
import { onVoteReply } from "./election.ts";
import { firstWantedIndex, flushLeader } from "./flush.ts";
import { checkInvariants } from "./invariants.ts";
import { isRemovedLeader } from "./membership.ts";
import { bindGated, buildJob, releaseGated } from "./persist.ts";
import { lesser, ZERO } from "./positions.ts";
import { becomeFollower } from "./role.ts";
import type { Effects, Entry, PersistJob, RoleChange } from "./types.ts";

/** Everything due since the last call; null when there is nothing (contract 3). */
export function takeEffects(core: Core): Effects | null {
  if (core.role === "halted") return collect(core, null, []);
  if (core.role === "leader") flushLeader(core);
  if (isRemovedLeader(core)) {
    trace(core, "removed");
    becomeFollower(core, core.term, NOBODY);
  }
  const persist = buildJob(core);
  bindGated(core);
  releaseDurable(core);
  const apply = nextBatch(core);
  trimCache(core);
  checkInvariants(core);
  return collect(core, persist, apply);
}

/** Sends what waited for the disk; the node's own vote is counted here. */
export function releaseDurable(core: Core): void {
  for (const message of releaseGated(core)) {
    if (message.to !== core.id) core.out.messages.push(message);
    else if (message.kind === "vote-reply") onVoteReply(core, message);
  }
}

function trimCache(core: Core): void {
  const applyNext = following(core.applied);
  const wanted = core.role === "leader" ? lesser(applyNext, firstWantedIndex(core)) : applyNext;
  core.log.trim(wanted, core.commit);
}

function collect(core: Core, persist: PersistJob | null, apply: readonly Entry[]): Effects | null {
  const { out } = core;
  if (core.options.trace !== undefined) {
    for (const message of out.messages) trace(core, "send", message);
  }
  const role = roleChange(core);
  if (persist === null && apply.length === 0 && role === null && isEmpty(core)) return null;
  const effects: Effects = {
    messages: out.messages,
    persist,
    apply,
    restore: out.restore,
    sendSnapshots: out.sendSnapshots,
    fetch: out.fetches,
    reads: out.reads,
    dropped: out.dropped,
    role,
    transfer: out.transfer,
    conf: out.conf,
    truncateLogBefore: out.truncateLogBefore,
  };
  clear(core);
  return effects;
}

function roleChange(core: Core): RoleChange | null {
  const { role, term, leader } = core;
  const last = core.out.lastRole;
  if (last.role === role && last.term === term && last.leader === leader) return null;
  core.out.lastRole = { role, term, leader };
  return core.out.lastRole;
}

function isEmpty({ out }: Core): boolean {
  if (out.messages.length > 0 || out.sendSnapshots.length > 0) return false;
  if (out.fetches.length > 0 || out.reads.length > 0 || out.dropped.length > 0) return false;
  if (out.restore !== null || out.transfer !== null || out.conf !== null) return false;
  return out.truncateLogBefore === ZERO;
}

function clear({ out }: Core): void {
  out.messages = [];
  out.sendSnapshots = [];
  out.fetches = [];
  out.reads = [];
  out.dropped = [];
  out.restore = null;
  out.transfer = null;
  out.conf = null;
  out.truncateLogBefore = ZERO;
}
