import type { SpecRecord } from "./cluster-state.ts";
import { hashBytes } from "./record-hash.ts";

/** Equal specs share one record. Mutable; owned by the state store. */
export class SpecTable {
  readonly #byHash = new Map<string, SpecRecord>();

  get size(): number {
    return this.#byHash.size;
  }

  /** Copies the bytes when they are new: they usually are a view of a whole log entry. */
  intern(bytes: Uint8Array): SpecRecord {
    const hash = hashBytes(bytes);
    const known = this.#byHash.get(hash);
    if (known !== undefined && isSameBytes(known.bytes, bytes)) return known;
    const record: SpecRecord = { hash, bytes: new Uint8Array(bytes) };
    // Whoever forges a collision gets a record of their own, never another one's spec.
    if (known === undefined) this.#byHash.set(hash, record);
    return record;
  }
}

export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}
