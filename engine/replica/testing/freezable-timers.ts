import type { Timers } from "../../platform/timers.ts";

/** Timers of a process that can be stopped: what became due meanwhile runs late, in order. */
export class FreezableTimers implements Timers {
  readonly #timers: Timers;
  #held: (() => void)[] | null = null;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  after(millis: number, callback: () => void): () => void {
    let isCancelled = false;
    const run = (): void => {
      if (!isCancelled) callback();
    };
    const cancel = this.#timers.after(millis, () => this.#run(run));
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  soon(callback: () => void): void {
    this.#timers.soon(() => this.#run(callback));
  }

  freeze(): void {
    this.#held = [];
  }

  thaw(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const callback of held) callback();
  }

  #run(callback: () => void): void {
    if (this.#held === null) callback();
    else this.#held.push(callback);
  }
}
