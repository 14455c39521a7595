import { assert } from "../lib/assert.ts";
import type { Index, Term } from "../lib/ids.ts";
import type { Entry } from "../raft/types.ts";
import { ENTRY_KINDS, kindCode } from "./chain.ts";

/**
 * Entries as one buffer that can be handed to another thread. Cloning them one by one would copy
 * the whole buffer behind each `data`, which may be a view of a megabyte that came in at once.
 */

/** index (f64), term (f64), bytes of data (u32), kind (u8). */
const HEAD_BYTES = 21;

export function packEntries(entries: readonly Entry[]): Uint8Array<ArrayBuffer> {
  let size = 0;
  for (const entry of entries) size += HEAD_BYTES + entry.data.length;
  const packed = new Uint8Array(size);
  const view = new DataView(packed.buffer);
  let at = 0;
  for (const entry of entries) {
    view.setFloat64(at, entry.index);
    view.setFloat64(at + 8, entry.term);
    view.setUint32(at + 16, entry.data.length);
    view.setUint8(at + 20, kindCode(entry.kind));
    packed.set(entry.data, at + HEAD_BYTES);
    at += HEAD_BYTES + entry.data.length;
  }
  return packed;
}

/** The entries again; their data are views of `packed`. */
export function unpackEntries(packed: Uint8Array): Entry[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const entries: Entry[] = [];
  for (let at = 0; at < packed.length; ) {
    const from = at + HEAD_BYTES;
    const to = from + view.getUint32(at + 16);
    const kind = ENTRY_KINDS[view.getUint8(at + 20)];
    assert(kind !== undefined, "a packed entry is of a known kind");
    entries.push({
      index: view.getFloat64(at) as Index,
      term: view.getFloat64(at + 8) as Term,
      kind,
      data: packed.subarray(from, to),
    });
    at = to;
  }
  return entries;
}
