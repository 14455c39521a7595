import type { UnixMillis } from "../../../engine/lib/ids.ts";
import type { Clock } from "../../../engine/platform/clock.ts";
import type { Timers } from "../../../engine/platform/timers.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** Unwinds the code of a process that dies in the middle of its own turn. */
class ProcessDied extends Error {}

/** One machine's clocks: all its processes share them, and they survive a crash of the machine. */
export class SimClock implements Clock {
  readonly #time: VirtualTime;
  /** How far the wall clock is off; the nemesis makes it jump. */
  wallOffsetMillis = 0;

  constructor(time: VirtualTime) {
    this.#time = time;
  }

  now(): UnixMillis {
    return Math.floor(EPOCH_MILLIS + this.#time.now + this.wallOffsetMillis) as UnixMillis;
  }

  monotonicMillis(): number {
    return MONOTONIC_START_MILLIS + this.#time.now;
  }
}

/** When every run begins, on a clock that is right. */
export const EPOCH_MILLIS = 1_700_000_000_000;
const MONOTONIC_START_MILLIS = 5_000;

/**
 * One life of an operating-system process. Everything that happens inside it goes through `run`:
 * what reaches a dead process is dropped, what reaches a frozen one waits for it to thaw.
 */
export class SimProcess implements Timers {
  readonly #time: VirtualTime;
  readonly #afterTurn: () => void;
  readonly #onSuicide: () => void;
  #state: "running" | "frozen" | "dead" = "running";
  #waiting: (() => void)[] = [];
  #fatalCallIn = 0;
  #onBeat: () => void = () => {};

  constructor(options: {
    readonly time: VirtualTime;
    /** Called after everything that ran inside this process. */
    readonly afterTurn: () => void;
    /** Called when the process died inside its own turn, after the turn was unwound. */
    readonly onSuicide: () => void;
  }) {
    this.#time = options.time;
    this.#afterTurn = options.afterTurn;
    this.#onSuicide = options.onSuicide;
  }

  get nowMillis(): number {
    return this.#time.now;
  }

  get isDead(): boolean {
    return this.#state === "dead";
  }

  run(turn: () => void): void {
    if (this.#enter(turn)) this.#afterTurn();
  }

  /**
   * What arrives from outside is only put into an inbox (platform/completion.ts): the turn that
   * takes it out is the one to be looked at.
   */
  arrive(turn: () => void): void {
    this.#enter(turn);
  }

  /** True when the turn ran to its end. */
  #enter(turn: () => void): boolean {
    if (this.#state === "dead") return false;
    if (this.#state === "frozen") {
      this.#waiting.push(turn);
      return false;
    }
    try {
      turn();
    } catch (error) {
      if (!(error instanceof ProcessDied)) throw error;
      this.#onSuicide();
      return false;
    }
    return true;
  }

  after(millis: number, callback: () => void): () => void {
    let isCancelled = false;
    const cancel = this.#time.after(millis, () => {
      // A frozen process finds the timer due when it thaws, unless it cancels it first.
      this.run(() => {
        if (!isCancelled) callback();
      });
    });
    return () => {
      isCancelled = true;
      cancel();
    };
  }

  soon(callback: () => void): void {
    this.#time.soon(() => this.run(callback));
  }

  freeze(): void {
    if (this.#state === "running") this.#state = "frozen";
  }

  thaw(): void {
    if (this.#state !== "frozen") return;
    this.#state = "running";
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const turn of waiting) this.#time.soon(() => this.run(turn));
  }

  /** Calls once, right after this process has asked its leader for a lease. */
  afterNextBeat(then: () => void): void {
    this.#onBeat = then;
  }

  /** For the control link: a heartbeat has left. */
  beatLeft(): void {
    const then = this.#onBeat;
    this.#onBeat = () => {};
    this.#time.soon(then);
  }

  die(): void {
    this.#state = "dead";
    this.#waiting = [];
  }

  /** The process will die inside its n-th call of a port from now: between two of its effects. */
  dieInPortCall(n: number): void {
    this.#fatalCallIn = n;
  }

  /** Ports call this first. */
  portCalled(): void {
    if (this.#state === "dead") throw new ProcessDied();
    if (this.#fatalCallIn === 0) return;
    this.#fatalCallIn -= 1;
    if (this.#fatalCallIn === 0) {
      this.#state = "dead";
      throw new ProcessDied();
    }
  }
}
