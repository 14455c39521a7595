import type { Index, Term } from "../lib/ids.ts";
import type { Clock } from "../platform/clock.ts";
import { EMPTY_CONF } from "../raft/conf.ts";
import { confAfter } from "../raft/conf-after.ts";
import type { ConfState, Entry, SnapshotMeta } from "../raft/types.ts";
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
  /** Of the log: how much the entries that were applied take there. */
  readonly bytes: number;
  readonly stopped: string;
};

/** The founding snapshot, which no leader's entry is in (DESIGN, Bootstrap). */
const FOUNDING_INDEX = 1;

/** The replicated state of this node and the committed entries that wait to be applied to it. */
export class StateMachine {
  readonly #clock: Clock;
  #state: ClusterState;
  #queue: Entry[] = [];
  #head = 0;
  #lastTerm = 0 as Term;
  #conf: ConfState = EMPTY_CONF;
  /**
   * Term of the newest entry in the state: the current term once its no-op is applied. None of the
   * founding snapshot, whose term may be just that in which the first leader is elected.
   */
  appliedTerm = 0 as Term;

  constructor(state: ClusterState, snapshot: SnapshotMeta | null, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
    if (snapshot !== null) this.#begin(snapshot);
  }

  /** Replaced as a whole by `restore`: to be asked for anew after it. */
  get state(): ClusterState {
    return this.#state;
  }

  /** Of the entry at `appliedIndex`. */
  get lastTerm(): Term {
    return this.#lastTerm;
  }

  /** The configuration at `appliedIndex`: the core's may be ahead of it. */
  get conf(): ConfState {
    return this.#conf;
  }

  get waitingCount(): number {
    return this.#queue.length - this.#head;
  }

  get appliedIndex(): Index {
    return this.state.appliedIndex;
  }

  /** What waits is part of the snapshot that is about to be loaded. */
  dropWaiting(): void {
    this.#queue = [];
    this.#head = 0;
  }

  /** The state of a snapshot takes the place of this one. */
  restore(state: ClusterState, snapshot: SnapshotMeta): void {
    this.#state = state;
    this.#begin(snapshot);
  }

  #begin(snapshot: SnapshotMeta): void {
    this.#lastTerm = snapshot.term;
    this.#conf = snapshot.conf;
    if (snapshot.index > FOUNDING_INDEX) this.appliedTerm = snapshot.term;
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
    let bytes = 0;
    while (this.waitingCount > 0 && budget.takeOne(this.#clock)) {
      const entry = this.#queue[this.#head];
      if (entry === undefined) break;
      const change = apply(this.state, entry);
      if (!change.ok) return { applied, facts, bytes, stopped: change.error.sentence };
      this.#head += 1;
      this.appliedTerm = entry.term;
      this.#lastTerm = entry.term;
      this.#conf = confAfter(this.#conf, entry);
      bytes += entry.data.length;
      for (const fact of change.value.facts) facts.push(fact);
      applied.push({ index: entry.index, term: entry.term, outcomes: change.value.outcomes });
    }
    return { applied, facts, bytes, stopped: "" };
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
