const SHARD_BITS = 8;
const SHARDS = 2 ** SHARD_BITS;
const SLOTS_FIRST = 8;
/** A slot is a hash and, after it, a place plus one; 0 = free. */
const SLOT_WORDS = 2;

type Shard = { slots: Int32Array; count: number };

/**
 * Finds the places of a table by the ids that are there: hash tables with open addressing, at most
 * half full, in numbers only. Many small ones, so that growing holds nobody up: one table for
 * 800,000 ids would take 50 ms and more to double.
 */
export class PlaceIndex {
  readonly #idAt: (place: number) => string;
  readonly #shards: readonly Shard[] = Array.from({ length: SHARDS }, () => ({
    slots: NO_SLOTS,
    count: 0,
  }));

  constructor(idAt: (place: number) => string) {
    this.#idAt = idAt;
  }

  find(id: string): number | null {
    const hash = hashOf(id);
    const { slots } = this.#shardOf(hash);
    const last = slots.length - SLOT_WORDS;
    if (last < 0) return null;
    for (let at = firstSlot(hash, slots); ; at = at === last ? 0 : at + SLOT_WORDS) {
      const place = (slots[at + 1] ?? 0) - 1;
      if (place < 0) return null;
      if (slots[at] === hash && this.#idAt(place) === id) return place;
    }
  }

  /** An id that is not in it yet. */
  add(id: string, place: number): void {
    const hash = hashOf(id);
    const shard = this.#shardOf(hash);
    if (shard.count * 2 * SLOT_WORDS >= shard.slots.length) grow(shard);
    put(shard.slots, hash, place + 1);
    shard.count += 1;
  }

  #shardOf(hash: number): Shard {
    return this.#shards[hash >>> (32 - SHARD_BITS)] ?? NO_SHARD;
  }
}

const NO_SLOTS = new Int32Array(0);
/** For the compiler: every number of a shard has its shard. */
const NO_SHARD: Shard = { slots: NO_SLOTS, count: 0 };

function grow(shard: Shard): void {
  const before = shard.slots;
  shard.slots = new Int32Array(Math.max(SLOTS_FIRST * SLOT_WORDS, before.length * 2));
  for (let at = 0; at < before.length; at += SLOT_WORDS) {
    const stored = before[at + 1] ?? 0;
    if (stored !== 0) put(shard.slots, before[at] ?? 0, stored);
  }
}

function put(slots: Int32Array, hash: number, stored: number): void {
  const last = slots.length - SLOT_WORDS;
  let at = firstSlot(hash, slots);
  while (slots[at + 1] !== 0) at = at === last ? 0 : at + SLOT_WORDS;
  slots[at] = hash;
  slots[at + 1] = stored;
}

/** The number of slots is a power of two. */
const firstSlot = (hash: number, slots: Int32Array): number => (hash << 1) & (slots.length - 1);

/** Both ends are well mixed: the high bits choose the shard, the low ones the slot. */
function hashOf(id: string): number {
  let hash = id.length;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) | 0;
}
