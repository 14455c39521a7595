import { type JobId, parseAttemptId } from "../lib/ids.ts";
import type { Fact } from "../state/fact.ts";

/** Tells those who wait for one job that something about it was applied. No polling, no timer. */
export class JobChanges {
  readonly #waiting = new Map<JobId, Set<() => void>>();
  #count = 0;

  /** Calls back after every batch of facts that touches the job. Returns the cancellation. */
  listen(jobId: JobId, callback: () => void): () => void {
    const callbacks = this.#waiting.get(jobId) ?? new Set();
    callbacks.add(callback);
    this.#count += 1;
    this.#waiting.set(jobId, callbacks);
    return () => {
      if (!callbacks.delete(callback)) return;
      this.#count -= 1;
      if (callbacks.size === 0 && this.#waiting.get(jobId) === callbacks) {
        this.#waiting.delete(jobId);
      }
    };
  }

  /** Resolves at the next change of the job, or when `signal` aborts. */
  next(jobId: JobId, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve();
      const finish = (): void => {
        stop();
        signal.removeEventListener("abort", finish);
        resolve();
      };
      const stop = this.listen(jobId, finish);
      signal.addEventListener("abort", finish);
    });
  }

  /** The number of those who wait. */
  get size(): number {
    return this.#count;
  }

  onFacts(facts: readonly Fact[]): void {
    if (this.#waiting.size === 0) return;
    const due = new Set<() => void>();
    for (const fact of facts) {
      const jobId = jobOf(fact);
      const callbacks = jobId && this.#waiting.get(jobId);
      if (callbacks) for (const callback of callbacks) due.add(callback);
    }
    for (const callback of due) callback();
  }

  /** Everything may have changed: the state was replaced by a snapshot. */
  onRestored(): void {
    for (const callbacks of [...this.#waiting.values()]) {
      for (const callback of [...callbacks]) callback();
    }
  }
}

/** The job a fact is about; undefined for facts about nodes and the cluster. */
export function jobOf(fact: Fact): JobId | undefined {
  if (fact.kind === "job-changed") return fact.jobId;
  if (fact.kind === "attempt-changed") return parseAttemptId(fact.attemptId).jobId;
  return undefined;
}
