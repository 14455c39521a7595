import { assert } from "../lib/assert.ts";
import { PlaceIndex } from "./place-index.ts";

const CHUNK_BITS = 9;
const CHUNK_MASK = 2 ** CHUNK_BITS - 1;

/**
 * Records by id, iterated in the order in which they were first set; a record that is replaced
 * keeps its place (0, 1, 2 …). Mutable; owned by the state store.
 *
 * Instead of one Map: its garbage collector reads all of a Map, or of an array, in which a single
 * reference has changed, and holds the loop meanwhile: 30 ms with a million records. Here it reads
 * the chunks that have changed; the index has no references at all.
 */
export class RecordTable<K extends string, R extends { readonly id: K }>
  implements ReadonlyMap<K, R>
{
  readonly #chunks: R[][] = [];
  readonly #index = new PlaceIndex((place) => this.at(place).id);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  at(place: number): R {
    const record = this.#chunks[place >>> CHUNK_BITS]?.[place & CHUNK_MASK];
    assert(record !== undefined, "a place below the size has its record");
    return record;
  }

  get(id: K): R | undefined {
    const place = this.#index.find(id);
    return place === null ? undefined : this.at(place);
  }

  has(id: K): boolean {
    return this.#index.find(id) !== null;
  }

  /** Returns its place. */
  set(record: R): number {
    const known = this.#index.find(record.id);
    const place = known ?? this.#size;
    const chunk = place >>> CHUNK_BITS;
    if (chunk === this.#chunks.length) this.#chunks.push([]);
    const records = this.#chunks[chunk];
    assert(records !== undefined, "places have no gaps");
    records[place & CHUNK_MASK] = record;
    if (known === null) {
      this.#size += 1;
      this.#index.add(record.id, place);
    }
    return place;
  }

  forEach(visit: (record: R, id: K, table: ReadonlyMap<K, R>) => void): void {
    for (const record of this.values()) visit(record, record.id, this);
  }

  *[Symbol.iterator](): MapIterator<[K, R]> {
    for (const record of this.values()) yield [record.id, record];
  }

  entries(): MapIterator<[K, R]> {
    return this[Symbol.iterator]();
  }

  *keys(): MapIterator<K> {
    for (const record of this.values()) yield record.id;
  }

  /** Those that are set meanwhile come as well. */
  *values(): MapIterator<R> {
    for (let place = 0; place < this.#size; place++) yield this.at(place);
  }
}
