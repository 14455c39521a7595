import { assert } from "../lib/assert.ts";
import { following, type Index } from "../lib/ids.ts";
import { type Core, trace } from "./core.ts";
import { entryBytes } from "./log.ts";
import { activateCommittedConfs } from "./membership.ts";
import { settleOwnProposals } from "./own-entries.ts";
import { greater } from "./positions.ts";
import { agreedValue } from "./quorum.ts";

/** The leader's commit rule: a quorum holds it, and it is of this term (Raft §5.4.2, P1). */
export function advanceCommit(core: Core): void {
  let confChanged = true;
  while (confChanged && core.role === "leader") {
    const agreed = agreedValue(core.conf, core.matchOf) as Index;
    if (agreed <= core.commit || core.log.termAt(agreed) !== core.term) return;
    confChanged = commitTo(core, agreed);
  }
}

/** Moves the commit index up. True if that activated another configuration. */
export function commitTo(core: Core, index: Index): boolean {
  if (index <= core.commit) return false;
  assert(index <= core.log.lastIndex, "only what is in the log is committed");
  if (core.role === "leader") releaseUncommitted(core, index);
  core.commit = index;
  settleOwnProposals(core);
  trace(core, "commit");
  return activateCommittedConfs(core);
}

function releaseUncommitted(core: Core, commit: Index): void {
  const first = following(greater(core.commit, core.electionIndex));
  for (let index = first; index <= commit; index = following(index)) {
    const entry = core.log.cached(index);
    assert(entry !== null, "uncommitted entries of the leader stay in its cache");
    core.uncommittedBytes -= entryBytes(entry);
  }
}
