import { assert } from "../lib/assert.ts";
import { following, type Index } from "../lib/ids.ts";
import type { Core } from "./core.ts";
import { leaveJointWhenDue } from "./membership.ts";
import { lesser, ZERO } from "./positions.ts";
import type { Entry } from "./types.ts";

const APPLY_BYTES_MAX = 4 * 1024 * 1024;
const NOTHING: readonly Entry[] = [];

/**
 * The next entries for the state machine: committed and durable here, in order, once, never past
 * a snapshot that is still being restored (contract 9, P32).
 */
export function nextBatch(core: Core): readonly Entry[] {
  const { apply } = core;
  if (apply.restoring !== ZERO) return NOTHING;
  const lo = following(apply.handedOut);
  const room = (core.applied + core.options.maxApplyEntries) as Index;
  const hi = lesser(lesser(core.commit, core.log.durable), room);
  if (lo > hi) return NOTHING;
  const batch = entriesFor(core, lo, hi);
  const last = batch.at(-1);
  if (last !== undefined) apply.handedOut = last.index;
  return batch;
}

export function onApplied(core: Core, index: Index): void {
  const { apply } = core;
  assert(index <= apply.handedOut, "only what was handed out is applied");
  if (index > core.applied) core.applied = index;
  if (index >= apply.restoring) apply.restoring = ZERO;
  leaveJointWhenDue(core);
}

export function onFetchedForApply(core: Core, result: readonly Entry[] | "compacted"): void {
  assert(result !== "compacted", "entries are kept until they are applied");
  core.apply.fetchId = 0;
  core.apply.fetched = result;
}

function entriesFor(core: Core, lo: Index, hi: Index): readonly Entry[] {
  const { apply } = core;
  if (core.log.isCached(lo)) return core.log.slice(lo, hi, APPLY_BYTES_MAX);
  const fetched = apply.fetched;
  apply.fetched = null;
  if (fetched?.[0]?.index === lo) return fetched.filter(({ index }) => index <= hi);
  if (apply.fetchId === 0) requestFetch(core, lo, following(hi));
  return NOTHING;
}

function requestFetch(core: Core, lo: Index, hi: Index): void {
  core.lastFetchId += 1;
  core.apply.fetchId = core.lastFetchId;
  core.out.fetches.push({ id: core.lastFetchId, lo, hi, maxBytes: APPLY_BYTES_MAX });
}
