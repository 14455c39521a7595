import { assert } from "../lib/assert.ts";
import { following, type Index, type Term } from "../lib/ids.ts";
import { copyPlain } from "./copy-plain.ts";
import { preceding, ZERO } from "./positions.ts";
import type { Boot } from "./types.ts";

const NO_TERM = 0 as Term;

type Position = { readonly index: Index; readonly term: Term };
type Run = { from: Index; readonly term: Term };

export type TermRunsImage = {
  readonly anchor: Position;
  readonly last: Index;
  readonly runs: readonly Run[];
};

/** The term of every kept entry, one row per term: a lookup costs O(log terms) and no disk. */
export class TermRuns {
  /** The last position before the first kept entry; its term is known, its data is not. */
  anchor: Position;
  last: Index;
  #runs: Run[];

  private constructor(anchor: Position, last: Index, runs: Run[]) {
    this.anchor = anchor;
    this.last = last;
    this.#runs = runs;
  }

  static fromBoot(boot: Boot): TermRuns {
    const snapshot = boot.snapshot ?? { index: ZERO, term: NO_TERM };
    const first = boot.termRuns[0];
    if (first === undefined || boot.lastIndex < snapshot.index) {
      return new TermRuns({ index: snapshot.index, term: snapshot.term }, snapshot.index, []);
    }
    assert(first.from <= snapshot.index + 1, "the kept log reaches down to its snapshot");
    // Below a kept overlap the term is unknown, so the first kept entry serves as the anchor.
    const isAdjacent = first.from === snapshot.index + 1;
    const anchor = isAdjacent ? snapshot : { index: first.from, term: first.term };
    const runs = boot.termRuns.map(({ from, term }) => ({ from, term }));
    const terms = new TermRuns({ index: anchor.index, term: anchor.term }, boot.lastIndex, runs);
    terms.#dropRunsBefore(following(anchor.index));
    return terms;
  }

  static fromImage({ anchor, last, runs }: TermRunsImage): TermRuns {
    return new TermRuns({ ...anchor }, last, runs.map(copyPlain));
  }

  image(): TermRunsImage {
    return { anchor: { ...this.anchor }, last: this.last, runs: this.#runs.map(copyPlain) };
  }

  get lastTerm(): Term {
    return this.#runs.at(-1)?.term ?? this.anchor.term;
  }

  at(index: Index): Term | null {
    if (index === this.anchor.index) return this.anchor.term;
    if (index < this.anchor.index || index > this.last) return null;
    return this.#runs[this.#runOf(index)]?.term ?? null;
  }

  append(term: Term): void {
    assert(term >= this.lastTerm, "terms never fall along the log");
    this.last = following(this.last);
    if (this.#runs.length === 0 || term !== this.lastTerm) {
      this.#runs.push({ from: this.last, term });
    }
  }

  truncateFrom(index: Index): void {
    while ((this.#runs.at(-1)?.from ?? ZERO) >= index) this.#runs.pop();
    this.last = preceding(index);
  }

  restore(position: Position): void {
    this.anchor = { index: position.index, term: position.term };
    this.last = position.index;
    this.#runs = [];
  }

  compactBefore(index: Index): void {
    const anchor = preceding(index);
    const term = this.at(anchor);
    assert(term !== null, "a compaction stays inside the log");
    this.anchor = { index: anchor, term };
    this.#dropRunsBefore(index);
  }

  /**
   * The last position at or before `index` whose term is not above `term`: where two logs may
   * agree. It lets one probe skip a whole term (Raft §5.3, end).
   */
  conflictHint(index: Index, term: Term): Position {
    if (index > this.last || index < this.anchor.index) return { index, term: NO_TERM };
    let candidate = index;
    for (let i = this.#runOf(index); i >= 0; i--) {
      const run = this.#runs[i];
      if (run === undefined || run.from > candidate) continue;
      if (run.term <= term) return { index: candidate, term: run.term };
      candidate = preceding(run.from);
    }
    if (this.anchor.term <= term) return this.anchor;
    const below = this.anchor.index === ZERO ? ZERO : preceding(this.anchor.index);
    return { index: below, term: NO_TERM };
  }

  #dropRunsBefore(index: Index): void {
    const kept = index > this.last ? this.#runs.length : Math.max(0, this.#runOf(index));
    this.#runs.splice(0, kept);
    const first = this.#runs[0];
    if (first !== undefined && first.from < index) first.from = index;
  }

  /** Place of the run that holds `index`; -1 when none does. */
  #runOf(index: Index): number {
    let low = 0;
    let high = this.#runs.length - 1;
    // Nearly every question is about the newest term.
    if ((this.#runs[high]?.from ?? ZERO) <= index) return high;
    while (low <= high) {
      const middle = (low + high) >> 1;
      if ((this.#runs[middle]?.from ?? ZERO) <= index) low = middle + 1;
      else high = middle - 1;
    }
    return high;
  }
}
