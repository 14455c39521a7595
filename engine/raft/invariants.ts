import { assert } from "../lib/assert.ts";
import type { Core } from "./core.ts";

/** Checked after every `take`, in production too: a broken node stops (contract 14). */
export function checkInvariants(core: Core): void {
  const { log, progress } = core;
  assert(core.commit <= log.lastIndex, "the commit index stays within the log");
  assert(log.durable <= log.lastIndex, "what is durable stays within the log");
  assert(log.firstIndex - 1 <= core.commit, "only committed entries are compacted");
  assert(log.lastTerm <= core.term || core.term === 0, "no entry is of a future term");
  if (core.damage === null) {
    assert(core.applied <= core.commit, "only committed entries are applied");
  }
  for (const member of progress.values()) {
    assert(member.match < member.next, "match stays below next");
    assert(member.match <= log.lastIndex, "no member holds more than the leader");
    assert(member.inflightBytes >= 0, "bytes in flight are counted once");
  }
}
