import { assert } from "../lib/assert.ts";
import type { JobId } from "../lib/ids.ts";

const ALPHABET_BITS = 5;
const PREFIX_LENGTH = 3;
const BUCKETS = 2 ** (ALPHABET_BITS * PREFIX_LENGTH);
const NONE = -1;

/**
 * Job ids in the order of their submission, and chained by their first three characters: a lookup
 * by prefix reads about n / 32,768 ids, for 4 B a job. Mutable; owned by the state store.
 */
export class SubmitOrder {
  readonly #ids: JobId[] = [];
  readonly #newestOfBucket = new Int32Array(BUCKETS).fill(NONE);
  /** By ordinal: the next older job of the same bucket. */
  #older = new Int32Array(1024);

  get size(): number {
    return this.#ids.length;
  }

  /** Returns the ordinal: 0, 1, 2 … */
  append(id: JobId): number {
    const ordinal = this.#ids.length;
    if (ordinal === this.#older.length) {
      const grown = new Int32Array(ordinal * 2);
      grown.set(this.#older);
      this.#older = grown;
    }
    const bucket = bucketOf(id);
    this.#older[ordinal] = this.#newestOfBucket[bucket] ?? NONE;
    this.#newestOfBucket[bucket] = ordinal;
    this.#ids.push(id);
    return ordinal;
  }

  at(ordinal: number): JobId {
    const id = this.#ids[ordinal];
    assert(id !== undefined, "an ordinal names a submitted job");
    return id;
  }

  /** Those before `end`, the ordinal of a job or `size`. */
  *newestFirst(end: number = this.#ids.length): IterableIterator<JobId> {
    for (let ordinal = end - 1; ordinal >= 0; ordinal--) yield this.at(ordinal);
  }

  /** Newest first within three leading characters; at most `limit`. */
  findByPrefix(prefix: string, limit: number): readonly JobId[] {
    const found: JobId[] = [];
    const { first, count } = bucketsOf(prefix);
    for (let bucket = first; bucket < first + count && found.length < limit; bucket++) {
      this.#collect({ bucket, prefix, limit, found });
    }
    return found;
  }

  #collect(search: {
    readonly bucket: number;
    readonly prefix: string;
    readonly limit: number;
    readonly found: JobId[];
  }): void {
    let ordinal = this.#newestOfBucket[search.bucket] ?? NONE;
    while (ordinal !== NONE && search.found.length < search.limit) {
      const id = this.at(ordinal);
      if (id.startsWith(search.prefix)) search.found.push(id);
      ordinal = this.#older[ordinal] ?? NONE;
    }
  }
}

function bucketOf(id: string): number {
  let bucket = 0;
  for (let i = 0; i < PREFIX_LENGTH; i++) bucket = (bucket << ALPHABET_BITS) | digitOf(id, i);
  return bucket;
}

/** A short prefix covers a run of buckets. */
function bucketsOf(prefix: string): { readonly first: number; readonly count: number } {
  const missing = Math.max(0, PREFIX_LENGTH - prefix.length);
  return { first: bucketOf(prefix), count: 2 ** (ALPHABET_BITS * missing) };
}

/** Any mapping to 0–31 will do, as ids are compared in full; missing characters count as 0. */
function digitOf(text: string, position: number): number {
  if (position >= text.length) return 0;
  const code = text.charCodeAt(position);
  return (code < 58 ? code - 48 : code - 87) & 31;
}
