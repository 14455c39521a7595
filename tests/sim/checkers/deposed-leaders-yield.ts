import type { Term } from "../../../engine/lib/ids.ts";
import { type Checker, must } from "../checker.ts";

const NAME = "deposed leaders yield";

/** Check-quorum takes two election timeouts at most; twice that is too long, whatever was frozen. */
const TIMEOUTS_MAX = 4;

type Stale = { readonly since: number; beats: number };

/**
 * A leader that a later one has replaced without its hearing of it does not go on for ever: no
 * quorum answers it. (thesis §6.2; property 18.) Counted in its own heartbeats, so that a frozen
 * process, which does not tick, is not blamed.
 */
export function deposedLeadersYield(options: {
  readonly now: () => number;
  readonly electionTicks: number;
  readonly tickMillis: number;
}): Checker {
  const ticksMax = TIMEOUTS_MAX * options.electionTicks;
  const stale = new Map<string, Stale>();
  let newest = 0 as Term;
  return {
    name: NAME,
    onStatus: (_, status) => {
      if (status.role === "leader" && status.term > newest) newest = status.term;
    },
    onSend: (member, message) => {
      if (message.kind !== "heartbeat" || message.term >= newest) return;
      const key = `${member.nodeId} ${member.life} ${message.term} ${message.to}`;
      const known = stale.get(key) ?? { since: options.now(), beats: 0 };
      stale.set(key, known);
      known.beats += 1;
      const millis = options.now() - known.since;
      must(known.beats < ticksMax || millis < ticksMax * options.tickMillis, NAME, () => {
        return `${member.nodeId} still leads term ${message.term}, ${millis} ms after term ${newest}`;
      });
    },
  };
}
