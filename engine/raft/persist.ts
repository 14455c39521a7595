import { assert } from "../lib/assert.ts";
import { type Core, trace } from "./core.ts";
import type { HardState, Message, PersistJob, Seq } from "./types.ts";

/**
 * At most one job for everything that happened since the last one. A job with entries always
 * carries the current commit index, so that a node that holds a configuration change in its log
 * also has the one before it active after a restart (P12).
 */
export function buildJob(core: Core): PersistJob | null {
  const { persist } = core;
  const hardState = changedHardState(core);
  const install = persist.install?.seq === null ? persist.install : null;
  if (hardState === null && install === null && !core.log.hasUnsaved) return null;
  persist.seq += 1;
  const fsync = install !== null || core.log.hasUnsaved || mustSync(persist.handedOut, hardState);
  const entries = core.log.handOut(persist.seq);
  if (install !== null) install.seq = persist.seq;
  if (hardState !== null) persist.handedOut = hardState;
  if (fsync) {
    persist.syncSeq = persist.seq;
    persist.underWay.push({ seq: persist.seq, tick: core.tickCount });
  }
  return { seq: persist.seq, hardState, entries, snapshot: install?.snapshot ?? null, fsync };
}

function changedHardState(core: Core): HardState | null {
  const { term, votedFor, commit } = core;
  const old = core.persist.handedOut;
  const isSame = old.term === term && old.votedFor === votedFor && old.commit === commit;
  return isSame ? null : { term, votedFor, commit };
}

const mustSync = (old: HardState, next: HardState | null): boolean =>
  next !== null && (next.term !== old.term || next.votedFor !== old.votedFor);

/** Binds the messages that were waiting for this turn's job to it. */
export function bindGated(core: Core): void {
  const { persist } = core;
  if (persist.gatedByNext.length === 0) return;
  for (const message of persist.gatedByNext) {
    persist.gated.push({ seq: persist.syncSeq, message });
  }
  persist.gatedByNext = [];
}

const NO_MESSAGES: readonly Message[] = [];

/** Messages whose job is durable, in order. */
export function releaseGated(core: Core): readonly Message[] {
  const { gated, persisted } = core.persist;
  let done = 0;
  while (gated[done] !== undefined && (gated[done]?.seq ?? 0) <= persisted) done += 1;
  if (done === 0) return NO_MESSAGES;
  return gated.splice(0, done).map(({ message }) => message);
}

/** Job `seq` and all before it are durable. */
export function notePersisted(core: Core, seq: Seq): void {
  const { persist } = core;
  assert(seq > persist.persisted, "jobs are reported in order");
  assert(seq <= persist.seq, "only jobs that were handed out are reported");
  persist.persisted = seq;
  while ((persist.underWay[0]?.seq ?? Number.POSITIVE_INFINITY) <= seq) persist.underWay.shift();
  core.log.persisted(seq);
  trace(core, "persisted");
  installPersisted(core);
}

/** A snapshot on disk: now the state machine may be swapped, and others may be sent it. */
function installPersisted(core: Core): void {
  const { install, persisted } = core.persist;
  if (install === null || install.seq === null || install.seq > persisted) return;
  core.persist.install = null;
  core.out.restore = install.snapshot;
  core.snapshot = install.snapshot;
}

/**
 * A disk that has not finished a job within an election timeout: such a node must not lead, since
 * its heartbeats would keep a healthy one from doing so (hashicorp/raft #503).
 */
export function isDiskStalled(core: Core): boolean {
  const oldest = core.persist.underWay[0];
  return oldest !== undefined && core.tickCount - oldest.tick > core.options.electionTicks;
}
