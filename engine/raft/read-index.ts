import { NOBODY } from "../lib/ids.ts";
import { type Core, send, type WaitingRead } from "./core.ts";
import { ZERO } from "./positions.ts";
import { agreedValue } from "./quorum.ts";
import type { Message } from "./types.ts";

/** How many reads may wait at once; the driver lets the reads of one turn share one. */
const WAITING_READS_MAX = 4096;

/** A read of this node's own client (thesis §6.4). Answered through `Effects.reads`. */
export function onRead(core: Core, ctx: number): void {
  if (core.role === "leader") {
    queueRead(core, { from: core.id, ctx });
    return;
  }
  const canForward = core.role === "follower" && core.leader !== NOBODY;
  if (!canForward || core.reads.forwarded.length >= WAITING_READS_MAX) {
    core.out.reads.push({ ctx, index: null });
    return;
  }
  core.reads.forwarded.push({ ctx, tick: core.tickCount });
  send(core, { kind: "read-index", from: core.id, to: core.leader, term: core.term, ctx });
}

/** A follower asks for its client. Safe in any term: the answer rests on a quorum of now. */
export function onReadIndex(core: Core, message: Message & { kind: "read-index" }): void {
  const read = { from: message.from, ctx: message.ctx };
  if (core.role === "leader") queueRead(core, read);
  else answer(core, read, ZERO);
}

export function onReadIndexReply(
  core: Core,
  message: Message & { kind: "read-index-reply" },
): void {
  const { forwarded } = core.reads;
  const place = forwarded.findIndex(({ ctx }) => ctx === message.ctx);
  if (place < 0) return;
  forwarded.splice(place, 1);
  core.out.reads.push({ ctx: message.ctx, index: message.index === ZERO ? null : message.index });
}

/**
 * Starts one round for all reads asked since the last one. Not before an entry of this term is
 * committed: until then the leader may not know how far its predecessors committed (P3).
 */
export function startReadRound(core: Core): void {
  if (core.reads.queued.length === 0) return;
  if (core.log.termAt(core.commit) !== core.term) return;
  core.reads.seq += 1;
  core.reads.rounds.push({
    seq: core.reads.seq,
    index: core.commit,
    reads: core.reads.queued,
  });
  core.reads.queued = [];
  core.heartbeatDue = true;
  confirmReads(core);
}

/** Answers every round that a quorum has answered since: this leader led when it was asked. */
export function confirmReads(core: Core): void {
  const { rounds } = core.reads;
  if (rounds.length === 0) return;
  const confirmed = agreedValue(core.conf, core.readAckOf);
  let done = 0;
  for (const round of rounds) {
    if (round.seq > confirmed) break;
    for (const read of round.reads) answer(core, read, round.index);
    done += 1;
  }
  rounds.splice(0, done);
}

/** Leadership or the leader is gone: nobody can confirm these any more. */
export function refuseAllReads(core: Core): void {
  const { reads } = core;
  for (const { ctx } of reads.forwarded) core.out.reads.push({ ctx, index: null });
  for (const round of reads.rounds) {
    for (const read of round.reads) answer(core, read, ZERO);
  }
  for (const read of reads.queued) answer(core, read, ZERO);
  reads.forwarded = [];
  reads.rounds = [];
  reads.queued = [];
}

/** The question or its answer may have been lost: after an election timeout, ask elsewhere. */
export function expireForwardedReads(core: Core): void {
  const { forwarded } = core.reads;
  let done = 0;
  for (const { ctx, tick } of forwarded) {
    if (core.tickCount - tick < core.options.electionTicks) break;
    core.out.reads.push({ ctx, index: null });
    done += 1;
  }
  forwarded.splice(0, done);
}

function queueRead(core: Core, read: WaitingRead): void {
  if (core.reads.queued.length >= WAITING_READS_MAX) answer(core, read, ZERO);
  else core.reads.queued.push(read);
}

/** Index 0 = refused: no entry stands there, so no confirmed read can name it. */
function answer(core: Core, { from, ctx }: WaitingRead, index: typeof core.commit): void {
  if (from === core.id) {
    core.out.reads.push({ ctx, index: index === ZERO ? null : index });
    return;
  }
  send(core, { kind: "read-index-reply", from: core.id, to: from, term: core.term, ctx, index });
}
