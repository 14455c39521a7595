import { following, type Index } from "../lib/ids.ts";
import { type Core, send } from "./core.ts";
import { entryBytes } from "./log.ts";
import { dismiss } from "./membership.ts";
import { lesser } from "./positions.ts";
import { becomeSnapshot, noteSent, type Progress, probedPosition } from "./progress.ts";
import { startReadRound } from "./read-index.ts";
import type { Entry } from "./types.ts";

/**
 * Everything a leader owes its members since the last `take`: one heartbeat round, and appends
 * batched per member. Sent in parallel with this node's own disk (thesis §10.2.1).
 */
export function flushLeader(core: Core): void {
  startReadRound(core);
  const heartbeatDue = core.heartbeatDue;
  core.heartbeatDue = false;
  for (const progress of core.progress.values()) {
    if (heartbeatDue) sendHeartbeat(core, progress);
    flushMember(core, progress);
  }
  dismiss(core);
}

function sendHeartbeat(core: Core, progress: Progress): void {
  send(core, {
    kind: "heartbeat",
    from: core.id,
    to: progress.id,
    term: core.term,
    session: progress.session,
    commit: lesser(progress.match, core.commit),
    readSeq: core.reads.seq,
  });
}

function flushMember(core: Core, progress: Progress): void {
  if (progress.state === "probe") flushProbe(core, progress);
  if (progress.state === "replicate") flushPipeline(core, progress);
}

/** One append at a time, empty if need be: the answer says where the logs agree. */
function flushProbe(core: Core, progress: Progress): void {
  if (progress.paused) return;
  const entries = entriesFor(core, progress);
  if (entries === null || !sendAppend(core, progress, entries)) return;
  progress.paused = true;
  progress.askAgain = false;
}

function flushPipeline(core: Core, progress: Progress): void {
  while (progress.next <= core.log.lastIndex && !isWindowFull(core, progress)) {
    const entries = entriesFor(core, progress);
    if (entries === null || !sendAppend(core, progress, entries)) return;
    const last = entries.at(-1);
    if (last === undefined) return;
    noteSent(progress, last.index, totalBytes(entries));
    progress.askAgain = false;
  }
  const reachable = lesser(core.commit, probedPosition(progress));
  const isCommitNews = reachable > progress.sentCommit && !isWindowFull(core, progress);
  if (isCommitNews || progress.askAgain) sendAppend(core, progress, []);
  progress.askAgain = false;
}

const isWindowFull = (core: Core, progress: Progress): boolean =>
  progress.inflight.length >= core.options.maxInflightMsgs ||
  progress.inflightBytes >= core.options.maxInflightBytes;

/** False: the log no longer reaches down to this member, so it needs a snapshot. */
function sendAppend(core: Core, progress: Progress, entries: readonly Entry[]): boolean {
  const prevIndex = probedPosition(progress);
  const prevTerm = core.log.termAt(prevIndex);
  if (prevTerm === null) {
    offerSnapshot(core, progress);
    return false;
  }
  send(core, {
    kind: "append",
    from: core.id,
    to: progress.id,
    term: core.term,
    session: progress.session,
    prevIndex,
    prevTerm,
    entries,
    commit: core.commit,
  });
  progress.sentCommit = lesser(core.commit, (prevIndex + entries.length) as Index);
  return true;
}

/** The next entries for a member: from the cache, or fetched before; null = not at hand yet. */
function entriesFor(core: Core, progress: Progress): readonly Entry[] | null {
  const { next, fetched } = progress;
  if (next > core.log.lastIndex) return [];
  if (core.log.isCached(next)) {
    return core.log.slice(next, core.log.lastIndex, core.options.maxMsgBytes);
  }
  if (fetched?.[0]?.index === next) {
    progress.fetched = null;
    return fetched;
  }
  if (next < core.log.firstIndex) offerSnapshot(core, progress);
  else if (progress.fetchId === 0) requestFetch(core, progress);
  return null;
}

function requestFetch(core: Core, progress: Progress): void {
  core.lastFetchId += 1;
  progress.fetchId = core.lastFetchId;
  core.out.fetches.push({
    id: progress.fetchId,
    lo: progress.next,
    hi: core.log.cacheFrom,
    maxBytes: core.options.maxMsgBytes,
  });
}

/** Asks the driver to ship the newest snapshot, to a member that is there to receive it. */
export function offerSnapshot(core: Core, progress: Progress): void {
  const { snapshot } = core;
  if (snapshot === null || !progress.active || snapshot.index < core.log.firstIndex - 1) return;
  core.out.sendSnapshots.push({ to: progress.id, session: progress.session, snapshot });
  becomeSnapshot(progress, snapshot.index);
}

/** Older entries arrived from the log store. */
export function onFetchedForMember(
  core: Core,
  progress: Progress,
  result: readonly Entry[] | "compacted",
): void {
  progress.fetchId = 0;
  if (result === "compacted") {
    offerSnapshot(core, progress);
    return;
  }
  const last = result.at(-1);
  const isStillWanted =
    result[0]?.index === progress.next &&
    last !== undefined &&
    core.log.termAt(last.index) === last.term;
  progress.fetched = isStillWanted ? result : null;
}

function totalBytes(entries: readonly Entry[]): number {
  let bytes = 0;
  for (const entry of entries) bytes += entryBytes(entry);
  return bytes;
}

/** The first index that some active member has not acknowledged: the cache keeps from here. */
export function firstWantedIndex(core: Core): Index {
  let wanted = following(core.log.lastIndex);
  for (const { active, match } of core.progress.values()) {
    if (active) wanted = lesser(wanted, following(match));
  }
  return wanted;
}
