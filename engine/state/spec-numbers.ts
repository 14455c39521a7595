import { RecentMap } from "./recent-map.ts";
import type { InternedSpec } from "./spec-table.ts";

const REMEMBERED_MIN = 4_096;
/** No number that is older than this is used again. */
const WINDOW = 2 * REMEMBERED_MIN;

/** The writer's side: each distinct spec is written once near the jobs that share it. */
export class SpecNumbers {
  readonly #numbers = new RecentMap<InternedSpec, number>(REMEMBERED_MIN);
  #next = 0;

  /** `isNew`: it must be written now, before the job. */
  numberOf(spec: InternedSpec): { readonly number: number; readonly isNew: boolean } {
    const known = this.#numbers.get(spec);
    if (known !== undefined) return { number: known, isNew: false };
    const number = this.#next;
    this.#next += 1;
    this.#numbers.set(spec, number);
    return { number, isNew: true };
  }
}

/** The reader's side: holds what the writer may still name. */
export class NumberedSpecs {
  readonly #window: InternedSpec[] = [];
  #next = 0;

  add(spec: InternedSpec): void {
    this.#window[this.#next % WINDOW] = spec;
    this.#next += 1;
  }

  at(number: number): InternedSpec | undefined {
    const isKnown = number < this.#next && number >= this.#next - WINDOW;
    return isKnown ? this.#window[number % WINDOW] : undefined;
  }
}
