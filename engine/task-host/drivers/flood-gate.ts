/** A task that floods its output is slowed down to this, so that its neighbours are not. */
const BYTES_PER_WINDOW_MAX = 12 * 1024 * 1024;
const WINDOW_MILLIS = 100;

/** Measures one stream of output; about 120 MB a second pass. */
export class FloodGate {
  #windowStart = performance.now();
  #windowBytes = 0;

  /** Counts what came; returns for how many milliseconds nothing more should be read. */
  pauseAfter(byteCount: number): number {
    const elapsed = performance.now() - this.#windowStart;
    if (elapsed >= WINDOW_MILLIS) {
      this.#windowStart += elapsed;
      this.#windowBytes = 0;
    }
    this.#windowBytes += byteCount;
    if (this.#windowBytes <= BYTES_PER_WINDOW_MAX) return 0;
    // Every piece is a buffer of its own, and the collector does not see how large it is.
    Bun.gc(true);
    return Math.max(1, WINDOW_MILLIS - (performance.now() - this.#windowStart));
  }
}
