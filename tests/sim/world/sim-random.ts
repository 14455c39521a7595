import type { Random } from "../../../engine/platform/random.ts";

/**
 * One stream of chance. Every concern (network, disk, nemesis …) has its own, derived from the
 * run's seed, so that one more draw in one of them does not shift the others.
 */
export class SimRandom implements Random {
  #state: number;

  constructor(seed: number, stream: string) {
    this.#state = mix(seed ^ hashText(stream));
  }

  /** A uniform integer in [0, n). */
  below(n: number): number {
    return Math.floor((this.#next() / 2 ** 32) * n);
  }

  /** A uniform number in [low, high). */
  between(low: number, high: number): number {
    return low + (this.#next() / 2 ** 32) * (high - low);
  }

  chance(probability: number): boolean {
    return this.#next() < probability * 2 ** 32;
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)];
    if (item === undefined) throw new Error("nothing to pick from");
    return item;
  }

  /** Mulberry32: fast, and good enough to choose delays. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  }
}

/** Folds a number into a 32-bit hash. */
export function mixInto(hash: number, value: number): number {
  return mix(hash ^ Math.imul(value | 0, 0x9e3779b1));
}

function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function mix(value: number): number {
  let mixed = value >>> 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
