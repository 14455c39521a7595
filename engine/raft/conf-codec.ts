import type { PeerId } from "../lib/ids.ts";
import type { ConfChange, ConfOp } from "./types.ts";

const VERSION = 1;
const OPS = ["voter", "learner", "remove"] as const;
const TRANSITIONS = ["auto", "implicit", "explicit"] as const;
const HEADER_BYTES = 4;
const OP_BYTES = 9;
const OPS_MAX = 255;

/**
 * The bytes of a conf entry: version, transition, number of operations, a zero; then per operation
 * one byte and the peer id as a float64 (exact up to 2^53); then the context. The leave-joint
 * change without context is empty data.
 */
export function encodeConfChange(change: ConfChange): Uint8Array {
  const { changes, context } = change;
  if (changes.length === 0 && change.transition === "auto" && context.length === 0) {
    return new Uint8Array(0);
  }
  const bytes = new Uint8Array(HEADER_BYTES + changes.length * OP_BYTES + context.length);
  const view = new DataView(bytes.buffer);
  bytes.set([VERSION, TRANSITIONS.indexOf(change.transition), changes.length, 0]);
  changes.forEach(({ op, id }, place) => {
    view.setUint8(HEADER_BYTES + place * OP_BYTES, OPS.indexOf(op));
    view.setFloat64(HEADER_BYTES + place * OP_BYTES + 1, id);
  });
  bytes.set(context, HEADER_BYTES + changes.length * OP_BYTES);
  return bytes;
}

export const fitsConfEntry = (change: ConfChange): boolean => change.changes.length <= OPS_MAX;

/** Null when the bytes are not a configuration change of a version known here. */
export function decodeConfChange(data: Uint8Array): ConfChange | null {
  if (data.length === 0) return { changes: [], transition: "auto", context: data };
  const [version, transitionCode = -1, count = 0] = data;
  const transition = TRANSITIONS[transitionCode];
  const end = HEADER_BYTES + count * OP_BYTES;
  if (version !== VERSION || transition === undefined || data.length < end) return null;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const changes: ConfOp[] = [];
  for (let at = HEADER_BYTES; at < end; at += OP_BYTES) {
    const op = OPS[view.getUint8(at)];
    const id = view.getFloat64(at + 1);
    if (op === undefined || !Number.isSafeInteger(id) || id < 1) return null;
    changes.push({ op, id: id as PeerId });
  }
  return { changes, transition, context: data.subarray(end) };
}
