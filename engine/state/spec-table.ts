import type { SpecRecord } from "./cluster-state.ts";
import { RecentMap } from "./recent-map.ts";
import { hashBytes, hexOf } from "./record-hash.ts";

/** Distinct specs that are remembered: equal ones mostly arrive close together. */
const REMEMBERED_MIN = 4096;

/** The hash as two numbers: as text it would cost as much as the rest of the record. */
export class InternedSpec implements SpecRecord {
  readonly bytes: Uint8Array;
  readonly low: number;
  readonly high: number;

  constructor(bytes: Uint8Array, low: number, high: number) {
    this.bytes = bytes;
    this.low = low;
    this.high = high;
  }

  get hash(): string {
    return hexOf(this);
  }
}

/**
 * Equal specs share one record, as long as fewer than `REMEMBERED_MIN` others came between them:
 * an equal spec beyond that costs its bytes again, and nothing else depends on sharing. So no
 * count of users is needed to let go of a record. Mutable; owned by the state store.
 */
export class SpecTable {
  readonly #recent = new RecentMap<number, InternedSpec>(REMEMBERED_MIN);

  /** Copies the bytes when they are new: they usually are a view of a whole log entry. */
  intern(bytes: Uint8Array): InternedSpec {
    const { low, high } = hashBytes(bytes);
    const key = high * 0x1_0000_0000 + (low >>> 0);
    const known = this.#recent.get(key);
    // Whoever forges a collision gets a record of their own, never another one's spec.
    if (known !== undefined && isSameBytes(known.bytes, bytes)) return known;
    const record = new InternedSpec(copyOf(bytes), low, high);
    this.#recent.set(key, record);
    return record;
  }
}

/** Made empty and filled: a typed array made from another one drags an ArrayBuffer along. */
function copyOf(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
