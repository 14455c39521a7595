import { applyConfChange } from "./conf.ts";
import { decodeConfChange } from "./conf-codec.ts";
import type { ConfState, Entry } from "./types.ts";

/**
 * The configuration once `entry` is committed. A driver that makes a snapshot folds this over the
 * entries it has applied: the core itself may be ahead. A change that cannot follow changes
 * nothing, alike on every node.
 */
export function confAfter(conf: ConfState, entry: Entry): ConfState {
  const change = entry.kind === "conf" ? decodeConfChange(entry.data) : null;
  return change === null ? conf : (applyConfChange(conf, change) ?? conf);
}
