import { following } from "../lib/ids.ts";
import { type Core, type OwnProposals, trace } from "./core.ts";
import { entryBytes } from "./log.ts";
import { lesser } from "./positions.ts";
import type { Entry, EntryKind } from "./types.ts";

/** Appends one entry of this leader's term and remembers it as its own. */
export function appendOwn(core: Core, kind: EntryKind, data: Uint8Array): Entry {
  const entry: Entry = { index: following(core.log.lastIndex), term: core.term, kind, data };
  core.log.append(entry);
  core.uncommittedBytes += entryBytes(entry);
  const own = core.ownProposals.at(-1);
  if (own !== undefined && own.term === core.term) own.last = entry.index;
  else core.ownProposals.push({ term: core.term, first: entry.index, last: entry.index });
  trace(core, "append");
  return entry;
}

/**
 * Settles own entries up to the commit index. Only an entry of another term *committed* in its
 * place proves that one was lost: a truncated entry may still be committed elsewhere (P38).
 */
export function settleOwnProposals(core: Core): void {
  let settled = 0;
  for (const own of core.ownProposals) {
    if (own.first > core.commit) continue;
    const last = lesser(own.last, core.commit);
    if (core.log.termAt(last) !== own.term) reportDropped(core, own, last);
    own.first = following(last);
    if (own.first > own.last) settled += 1;
  }
  if (settled === 0) return;
  core.ownProposals = core.ownProposals.filter(({ first, last }) => first <= last);
}

/** A term that is no longer known (below a snapshot) proves nothing: the waiter has to ask. */
function reportDropped(core: Core, own: OwnProposals, last: Entry["index"]): void {
  for (let index = own.first; index <= last; index = following(index)) {
    const committed = core.log.termAt(index);
    if (committed === null || committed === own.term) continue;
    core.out.dropped.push({ index, term: own.term });
  }
}
