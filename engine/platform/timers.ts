/** Calls back later. A callback only enqueues an input: it never does the work itself. */
export interface Timers {
  /** Calls once, at the earliest after `millis`. Returns the cancellation. */
  after(millis: number, callback: () => void): () => void;
  /** Calls once, after the events that are already waiting (a macrotask later). */
  soon(callback: () => void): void;
}
