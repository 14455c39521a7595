import { assert } from "../lib/assert.ts";
import { crc32c } from "../lib/crc32c.ts";
import type { Index, Term } from "../lib/ids.ts";
import type { Entry, EntryKind, SnapshotMeta } from "../raft/types.ts";

/** A place in one node's log, and the checksum of everything up to it. Chains are local. */
export type Position = { readonly index: Index; readonly term: Term; readonly chain: number };

/** Before the first entry of a log without a snapshot. Every log contains it. */
export const ORIGIN: Position = { index: 0 as Index, term: 0 as Term, chain: 0 };

/** How an entry's kind is written: its place in this list. Append only. */
export const ENTRY_KINDS: readonly EntryKind[] = ["normal", "noop", "conf"];

const HEAD_BYTES = 17;
const head = new Uint8Array(HEAD_BYTES);
const headView = new DataView(head.buffer);

/** The position after `entry`: one flipped bit anywhere before it gives another chain. */
export function extend(previous: number, entry: Entry): Position {
  headView.setFloat64(0, entry.index);
  headView.setFloat64(8, entry.term);
  headView.setUint8(16, kindCode(entry.kind));
  const chain = crc32c(crc32c(previous, head), entry.data);
  return { index: entry.index, term: entry.term, chain };
}

/** Where a log begins that was replaced by `snapshot`. */
export function positionOf(snapshot: SnapshotMeta): Position {
  const { index, term } = snapshot;
  const named = new TextEncoder().encode(`${index} ${term} ${snapshot.sha256}`);
  return { index, term, chain: crc32c(0, named) };
}

export const isSamePosition = (a: Position, b: Position): boolean =>
  a.index === b.index && a.term === b.term && a.chain === b.chain;

export function kindCode(kind: EntryKind): number {
  const code = ENTRY_KINDS.indexOf(kind);
  assert(code >= 0, "an entry is of a known kind");
  return code;
}
