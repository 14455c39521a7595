import { assert } from "../lib/assert.ts";
import { NOBODY } from "../lib/ids.ts";
import { applyConfChange, isMember } from "./conf.ts";
import { encodeConfChange, fitsConfEntry } from "./conf-codec.ts";
import type { Core } from "./core.ts";
import { appendConf, canChangeConf, isPromotionTooEarly } from "./membership.ts";
import { ENTRY_DATA_BYTES_MAX } from "./options.ts";
import { appendOwn } from "./own-entries.ts";
import type { ConfChange, ProposeError, ProposeResult } from "./types.ts";

/** Appends to the leader's log, all or nothing. Sent and persisted by the next `take`. */
export function onPropose(core: Core, data: readonly Uint8Array[]): ProposeResult {
  assert(data.length > 0, "a proposal has at least one entry");
  const reason = refusal(core) ?? overLimit(core, data);
  if (reason !== null) return refuse(core, reason);
  const [first, ...rest] = data.map((bytes) => appendOwn(core, "normal", bytes).index);
  assert(first !== undefined, "the first entry was appended");
  return { ok: true, first, last: rest.at(-1) ?? first, term: core.term };
}

export function onProposeConf(core: Core, change: ConfChange): ProposeResult {
  const reason = refusal(core) ?? confRefusal(core, change);
  if (reason !== null) return refuse(core, reason);
  const { index } = appendConf(core, change);
  return { ok: true, first: index, last: index, term: core.term };
}

function refusal(core: Core): ProposeError | null {
  if (core.role === "halted") return "halted";
  if (core.role !== "leader") return "not-leader";
  if (!isMember(core.conf, core.id)) return "not-member";
  return core.transfer.target === NOBODY ? null : "transferring";
}

function overLimit(core: Core, data: readonly Uint8Array[]): ProposeError | null {
  let bytes = 0;
  for (const { length } of data) {
    if (length > ENTRY_DATA_BYTES_MAX) return "too-large";
    bytes += length;
  }
  const { maxUncommittedBytes, maxApplyLag } = core.options;
  if (core.commit - core.applied > maxApplyLag) return "apply-lag";
  const isTooMuch = core.uncommittedBytes + bytes > maxUncommittedBytes;
  return isTooMuch ? "uncommitted-limit" : null;
}

function confRefusal(core: Core, change: ConfChange): ProposeError | null {
  if (!canChangeConf(core)) return "conf-pending";
  if (!fitsConfEntry(change) || applyConfChange(core.conf, change) === null) return "conf-invalid";
  if (encodeConfChange(change).length > ENTRY_DATA_BYTES_MAX) return "too-large";
  return isPromotionTooEarly(core, change) ? "learner-behind" : null;
}

const refuse = (core: Core, reason: ProposeError): ProposeResult => ({
  ok: false,
  reason,
  leader: core.leader,
});
