import { assert } from "../lib/assert.ts";

const SHARDS = 256;
/** Where two characters of a job's id are that nobody chooses; an attempt's id begins with it. */
const FIRST_AT = 10;
const SECOND_AT = 11;

/**
 * A Map of job or attempt ids that grows in small steps: one Map of 800,000 entries that has to grow
 * holds the loop for 100 ms and more while all of them move. No order of its own.
 */
export class ShardedMap<K extends string, V> {
  readonly #shards = Array.from({ length: SHARDS }, () => new Map<K, V>());
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: K): V | undefined {
    return this.#shardOf(key).get(key);
  }

  has(key: K): boolean {
    return this.get(key) !== undefined;
  }

  set(key: K, value: V): void {
    const shard = this.#shardOf(key);
    const before = shard.size;
    shard.set(key, value);
    this.#size += shard.size - before;
  }

  /** Shorter keys than ids are found as well, all in one shard. */
  #shardOf(key: string): Map<K, V> {
    const mixed = key.charCodeAt(FIRST_AT) * 31 + key.charCodeAt(SECOND_AT);
    const shard = this.#shards[mixed & (SHARDS - 1)];
    assert(shard !== undefined, "every number has its shard");
    return shard;
  }
}
