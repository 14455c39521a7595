/** Something that happens at a time. Equal times happen in the order they were scheduled. */
type SimEvent = {
  readonly at: number;
  readonly order: number;
  run: (() => void) | null;
};

/** More than this waiting, or happening at one moment: the run feeds itself and would never end. */
const EVENTS_MAX = 1_000_000;

/** Virtual time: a binary heap keyed (time, order). Nothing here ever looks at a real clock. */
export class VirtualTime {
  #heap: SimEvent[] = [];
  /** What happens at this very moment: most of what there is, and already in its order. */
  #soon: SimEvent[] = [];
  #soonTaken = 0;
  #now = 0;
  #order = 0;
  /** Events run since time last moved. */
  #atThisMoment = 0;

  /** Milliseconds since the start of the run. */
  get now(): number {
    return this.#now;
  }

  /** Calls `run` after `millis`. Returns the cancellation. */
  after(millis: number, run: () => void): () => void {
    const event: SimEvent = { at: this.#now + Math.max(0, millis), order: this.#order++, run };
    if (event.at > this.#now) this.#push(event);
    else this.#soon.push(event);
    return () => {
      event.run = null;
    };
  }

  /** Calls `run` after everything that was to happen at this moment before. */
  soon(run: () => void): void {
    this.#soon.push({ at: this.#now, order: this.#order++, run });
  }

  /** Runs every event up to `until`, and moves there. */
  runUntil(until: number): void {
    while (this.#step(until)) {
      // What each event did is checked where it happened, by the observer.
    }
    this.#now = Math.max(this.#now, until);
  }

  #step(until: number): boolean {
    for (;;) {
      const first = this.#takeFirst(until);
      if (first === undefined) return false;
      if (first.run === null) continue;
      this.#atThisMoment = first.at > this.#now ? 0 : this.#atThisMoment + 1;
      mustEnd(this.#atThisMoment, "happen at one moment");
      this.#now = first.at;
      first.run();
      return true;
    }
  }

  #takeFirst(until: number): SimEvent | undefined {
    const soon = this.#soon[this.#soonTaken];
    const first = this.#heap[0];
    if (soon !== undefined && (first === undefined || isBefore(soon, first))) {
      this.#soonTaken += 1;
      if (this.#soonTaken === this.#soon.length) {
        this.#soon = [];
        this.#soonTaken = 0;
      }
      return soon;
    }
    if (first === undefined || first.at > until) return undefined;
    this.#pop();
    return first;
  }

  #push(event: SimEvent): void {
    const heap = this.#heap;
    let hole = heap.length;
    heap.push(event);
    mustEnd(heap.length, "wait");
    while (hole > 0) {
      const parentIndex = (hole - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || !isBefore(event, parent)) break;
      heap[hole] = parent;
      hole = parentIndex;
    }
    heap[hole] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let hole = 0;
    for (;;) {
      const child = this.#smallerChild(hole);
      const candidate = heap[child];
      if (candidate === undefined || !isBefore(candidate, last)) break;
      heap[hole] = candidate;
      hole = child;
    }
    heap[hole] = last;
  }

  #smallerChild(hole: number): number {
    const left = 2 * hole + 1;
    const first = this.#heap[left];
    const second = this.#heap[left + 1];
    return first !== undefined && second !== undefined && isBefore(second, first) ? left + 1 : left;
  }
}

const isBefore = (a: SimEvent, b: SimEvent): boolean =>
  a.at < b.at || (a.at === b.at && a.order < b.order);

function mustEnd(count: number, what: string): void {
  if (count > EVENTS_MAX) throw new Error(`bounded resources: ${count} events ${what}`);
}
