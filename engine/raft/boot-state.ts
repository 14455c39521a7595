import { type Index, NOBODY, type Term } from "../lib/ids.ts";
import { EMPTY_CONF } from "./conf.ts";
import { confAfter } from "./conf-after.ts";
import { decodeConfChange } from "./conf-codec.ts";
import { greater, lesser, ZERO } from "./positions.ts";
import type { Boot, ConfChange, ConfState, HardState } from "./types.ts";

/** A configuration entry of the log that is not committed. */
export type PendingConf = { readonly index: Index; readonly change: ConfChange };

type BootConf = { readonly conf: ConfState; readonly pendingConfs: PendingConf[] };

const NO_TERM = 0 as Term;

/**
 * What was committed when this node stopped, as far as it still knows: never below its snapshot or
 * what it had applied, and never beyond a damaged log.
 */
export function bootCommit(boot: Boot, lastIndex: Index): Index {
  const known = greater(boot.hardState?.commit ?? ZERO, boot.snapshot?.index ?? ZERO);
  return lesser(greater(known, boot.applied), lastIndex);
}

/**
 * A founding snapshot comes without a hard state: of term 1 it boots at term 0, so that the first
 * leader is that of term 1; any other boots at its own term, since no entry may be of a later one.
 */
export function bootHardState(boot: Boot, lastTerm: Term): HardState {
  const least = lastTerm > 1 ? lastTerm : NO_TERM;
  const { hardState } = boot;
  if (hardState !== null && hardState.term >= least) return hardState;
  return { term: least, votedFor: NOBODY, commit: hardState?.commit ?? ZERO };
}

/** The configuration at `commit`: the snapshot's, then every committed change in order. */
export function bootConf(
  boot: Pick<Boot, "snapshot" | "confEntries" | "lastIndex">,
  commit: Index,
): BootConf {
  let conf = boot.snapshot?.conf ?? EMPTY_CONF;
  const pendingConfs: PendingConf[] = [];
  for (const entry of boot.confEntries) {
    const change = decodeConfChange(entry.data);
    if (change === null || entry.index > boot.lastIndex) continue;
    if (entry.index <= commit) conf = confAfter(conf, entry);
    else pendingConfs.push({ index: entry.index, change });
  }
  return { conf, pendingConfs };
}
