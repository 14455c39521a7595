import type { UnixMillis } from "../../lib/ids.ts";
import type { Fact } from "../../state/fact.ts";
import { isAfter, type Revision } from "./revision.ts";

/** A fact with the replicated time at which it was applied. */
export type Change = { readonly fact: Fact; readonly at: UnixMillis };

/** The last changes in their order: where a watch resumes that was cut. */
export class ChangeRing {
  readonly #capacity: number;
  #changes: Change[] = [];
  /** Position of the oldest change, once the ring is full. */
  #head = 0;
  /** Everything after this is in the ring. */
  #floor: Revision;
  #newest: Revision;

  /** `start`: what is applied already and will not be told. */
  constructor(capacity: number, start: Revision) {
    this.#capacity = capacity;
    this.#floor = start;
    this.#newest = start;
  }

  /** The revision that has seen everything told so far. */
  get newest(): Revision {
    return this.#newest;
  }

  push(change: Change): void {
    this.#newest = change.fact;
    if (this.#changes.length < this.#capacity) {
      this.#changes.push(change);
      return;
    }
    this.#floor = this.#changes[this.#head]?.fact ?? this.#floor;
    this.#changes[this.#head] = change;
    this.#head = (this.#head + 1) % this.#capacity;
  }

  /** The changes after `revision` in order; null when some of them are forgotten. */
  since(revision: Revision): readonly Change[] | null {
    if (isAfter(this.#floor, revision)) return null;
    const newestFirst: Change[] = [];
    for (let i = this.#changes.length - 1; i >= 0; i--) {
      const change = this.#changes[(this.#head + i) % this.#changes.length];
      if (change === undefined || !isAfter(change.fact, revision)) break;
      newestFirst.push(change);
    }
    return newestFirst.reverse();
  }

  /** Forgets everything: the state was replaced. */
  reset(start: Revision): void {
    this.#changes = [];
    this.#head = 0;
    this.#floor = start;
    this.#newest = start;
  }
}
