import type { Core } from "./core.ts";
import { ZERO } from "./positions.ts";
import type { Message } from "./types.ts";

type FromLeader = Message & { kind: "append" | "heartbeat" | "snapshot" };

/**
 * Contract 16. In the first session that a damaged node sees of a leader's term it answers `lost`:
 * the leader then forgets what this node acknowledged before and opens a new session.
 */
export function answersLost(core: Core, message: FromLeader): boolean {
  const { damage } = core;
  if (damage === null) return false;
  if (damage.lostTerm !== message.term) {
    damage.lostTerm = message.term;
    damage.lostSession = message.session;
    damage.wholeAt = ZERO;
  }
  return message.session <= damage.lostSession;
}

/** Remembers the commit index that this node must durably reach, and looks whether it has. */
export function noteWholeAt(core: Core, append: Message & { kind: "append" }): void {
  if (core.damage === null) return;
  core.damage.wholeAt = append.commit;
  healWhenWhole(core);
}

/**
 * Whole again: durable up to the commit index of a leader of this term, in a newer session, and
 * the entry there is of its term. Everything this node can ever have acknowledged lies below.
 */
export function healWhenWhole(core: Core): void {
  const { damage } = core;
  if (damage === null || damage.wholeAt === ZERO || damage.lostTerm !== core.term) return;
  if (core.log.durable < damage.wholeAt) return;
  if (core.log.termAt(damage.wholeAt) === core.term) core.damage = null;
}
