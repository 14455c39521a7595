import type { JobId } from "../lib/ids.ts";

const ALPHABET_BITS = 5;
const PREFIX_LENGTH = 3;
const BUCKETS = 2 ** (ALPHABET_BITS * PREFIX_LENGTH);
/** Places are kept plus one, so that fresh memory says as it is that there is none. */
const NONE = 0;

/**
 * Job ids by the places of their records, chained by their first three characters: a lookup by
 * prefix reads about n / 32,768 ids, for 4 B a job. Mutable; owned by the state store.
 */
export class PrefixIndex {
  readonly #idAt: (place: number) => JobId;
  readonly #newestOfBucket = new Int32Array(BUCKETS);
  /** By place: the next older job of the same bucket, plus one. */
  #older = new Int32Array(1024);

  constructor(idAt: (place: number) => JobId) {
    this.#idAt = idAt;
  }

  /** Places come in order: 0, 1, 2 … */
  add(id: JobId, place: number): void {
    if (place === this.#older.length) {
      const grown = new Int32Array(place * 2);
      grown.set(this.#older);
      this.#older = grown;
    }
    const bucket = bucketOf(id);
    this.#older[place] = this.#newestOfBucket[bucket] ?? NONE;
    this.#newestOfBucket[bucket] = place + 1;
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
    let next = this.#newestOfBucket[search.bucket] ?? NONE;
    while (next !== NONE && search.found.length < search.limit) {
      const id = this.#idAt(next - 1);
      if (id.startsWith(search.prefix)) search.found.push(id);
      next = this.#older[next - 1] ?? NONE;
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
