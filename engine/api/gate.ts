/** Lets a bounded number in at the same time. */
export class Gate {
  readonly #capacity: number;
  #inside = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** Null when full; else how to leave, which counts once. */
  enter(): (() => void) | null {
    if (this.#inside >= this.#capacity) return null;
    this.#inside += 1;
    let isInside = true;
    return () => {
      if (isInside) this.#inside -= 1;
      isInside = false;
    };
  }
}
