import type { Index, Term } from "../lib/ids.ts";
import type { Clock } from "../platform/clock.ts";
import type { Entry } from "../raft/types.ts";
import { apply } from "../state/apply.ts";
import type { ClusterState } from "../state/create-state.ts";
import type { Fact } from "../state/fact.ts";
import type { Applied } from "./replica.ts";

/** Per loop turn, whichever comes first (DESIGN, State machine). */
const ENTRIES_PER_TURN_MAX = 1_024;
const MILLIS_PER_TURN_MAX = 5;
/** Reading the clock costs about as much as applying a small entry. */
const ENTRIES_PER_CLOCK_READ = 32;

/** What one turn of applying did. `stopped` is a sentence when an entry could not be applied. */
export type AppliedBatch = {
  readonly applied: readonly Applied[];
  readonly facts: readonly Fact[];
  readonly stopped: string;
};

/** The replicated state of this node and the committed entries that wait to be applied to it. */
export class StateMachine {
  readonly state: ClusterState;
  readonly #clock: Clock;
  #queue: Entry[] = [];
  #head = 0;
  /**
   * Term of the newest entry applied in this life: the current term once its no-op is applied. Not
   * the snapshot's: the first leader of a founded cluster may lead in just that term.
   */
  appliedTerm = 0 as Term;

  constructor(state: ClusterState, clock: Clock) {
    this.state = state;
    this.#clock = clock;
  }

  get waitingCount(): number {
    return this.#queue.length - this.#head;
  }

  get appliedIndex(): Index {
    return this.state.appliedIndex;
  }

  enqueue(entries: readonly Entry[]): void {
    if (this.waitingCount === 0) {
      this.#queue = [...entries];
      this.#head = 0;
      return;
    }
    for (const entry of entries) this.#queue.push(entry);
  }

  /** Applies within the budget of one turn, counting what this turn did already. */
  applySome(budget: ApplyBudget): AppliedBatch {
    const applied: Applied[] = [];
    const facts: Fact[] = [];
    while (this.waitingCount > 0 && budget.takeOne(this.#clock)) {
      const entry = this.#queue[this.#head];
      if (entry === undefined) break;
      const change = apply(this.state, entry);
      if (!change.ok) return { applied, facts, stopped: change.error.sentence };
      this.#head += 1;
      this.appliedTerm = entry.term;
      for (const fact of change.value.facts) facts.push(fact);
      applied.push({ index: entry.index, term: entry.term, outcomes: change.value.outcomes });
    }
    return { applied, facts, stopped: "" };
  }
}

/** How much one turn may still apply before the loop must look at its inbox again. */
export class ApplyBudget {
  readonly #deadlineMillis: number;
  #entriesLeft = ENTRIES_PER_TURN_MAX;

  constructor(clock: Clock) {
    this.#deadlineMillis = clock.monotonicMillis() + MILLIS_PER_TURN_MAX;
  }

  takeOne(clock: Clock): boolean {
    if (this.#entriesLeft === 0) return false;
    const isTimeToLook = this.#entriesLeft % ENTRIES_PER_CLOCK_READ === 0;
    if (isTimeToLook && clock.monotonicMillis() > this.#deadlineMillis) return false;
    this.#entriesLeft -= 1;
    return true;
  }
}
