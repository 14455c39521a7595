import { NOBODY, type PeerId } from "../lib/ids.ts";
import { isVoter } from "./conf.ts";
import { type Core, send } from "./core.ts";
import type { TransferOutcome } from "./types.ts";

/**
 * Hands leadership to `to` (thesis §3.10): proposals stop, the target catches up, and is told to
 * campaign at once. Ends in every case within one election timeout (P22).
 */
export function onTransfer(core: Core, to: PeerId): void {
  if (core.role !== "leader") {
    report(core, to, "lost-leadership");
    return;
  }
  if (to === core.transfer.target) return;
  if (core.transfer.target !== NOBODY) endTransfer(core, "timed-out");
  if (to === core.id) {
    report(core, to, "done");
    return;
  }
  if (!isVoter(core.conf, to) || !core.progress.has(to)) {
    report(core, to, "target-behind");
    return;
  }
  core.transfer.target = to;
  core.transfer.deadline = core.tickCount + core.options.electionTicks;
  sendTimeoutNowWhenCaughtUp(core, to);
}

/** Only a target that holds the whole log can win; anybody else would just disturb (P23). */
export function sendTimeoutNowWhenCaughtUp(core: Core, from: PeerId): void {
  if (core.transfer.target !== from || core.role !== "leader") return;
  if (core.progress.get(from)?.match !== core.log.lastIndex) return;
  send(core, { kind: "timeout-now", from: core.id, to: from, term: core.term });
}

export function tickTransfer(core: Core): void {
  const { transfer } = core;
  if (core.tickCount < transfer.deadline) return;
  if (transfer.target !== NOBODY) {
    const match = core.progress.get(transfer.target)?.match;
    endTransfer(core, match === core.log.lastIndex ? "timed-out" : "target-behind");
  }
  if (transfer.watched !== NOBODY) {
    report(core, transfer.watched, "timed-out");
    transfer.watched = NOBODY;
  }
}

export function endTransfer(core: Core, outcome: TransferOutcome): void {
  report(core, core.transfer.target, outcome);
  core.transfer.target = NOBODY;
}

/** Whether it worked is known only when the next leader is: until the deadline, watch. */
export function endTransferOnStepDown(core: Core): void {
  if (core.transfer.target === NOBODY) return;
  core.transfer.watched = core.transfer.target;
  core.transfer.target = NOBODY;
}

export function noteLeader(core: Core, leader: PeerId): void {
  const { watched } = core.transfer;
  if (watched === NOBODY || leader === NOBODY) return;
  core.transfer.watched = NOBODY;
  report(core, watched, leader === watched ? "done" : "lost-leadership");
}

function report(core: Core, to: PeerId, outcome: TransferOutcome): void {
  core.out.transfer = { to, outcome };
}
