/** Spreads bytes evenly over time: no bursts, and what was not used is not saved up. */
export class Pace {
  readonly #bytesPerMilli: number;
  #freeAt = 0;

  constructor(bytesPerSecond: number) {
    this.#bytesPerMilli = bytesPerSecond / 1000;
  }

  /** How many milliseconds to wait before so many bytes may leave; they count from now on. */
  take(bytes: number, nowMillis: number): number {
    const at = Math.max(nowMillis, this.#freeAt);
    this.#freeAt = at + bytes / this.#bytesPerMilli;
    return at - nowMillis;
  }
}
