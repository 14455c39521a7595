import { type HashLanes, hexOf } from "./record-hash.ts";

/**
 * The sum of the hashes of all records, modulo 2^32 in each lane: independent of their order, so
 * replacing a record costs one subtraction and one addition however large the state is
 * (SEMANTICS S14). Mutable; owned by the state store.
 */
export class StateHash {
  #low = 0;
  #high = 0;

  add(record: HashLanes): void {
    this.#low = (this.#low + record.low) | 0;
    this.#high = (this.#high + record.high) | 0;
  }

  subtract(record: HashLanes): void {
    this.#low = (this.#low - record.low) | 0;
    this.#high = (this.#high - record.high) | 0;
  }

  /** Hex of this sum and one more record. */
  hexWith(record: HashLanes): string {
    return hexOf({
      low: (this.#low + record.low) | 0,
      high: (this.#high + record.high) | 0,
    });
  }
}
