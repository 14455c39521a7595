import { cut } from "./cut.ts";
import { Interrupted } from "./interrupted.ts";
import type { World } from "./world.ts";

const SPINNER = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"] as const;
const FRAME_MILLIS = 80;
const TEXT_COLUMNS = 72;
const TIME_COLUMNS = 8;
const SPINNER_COLUMNS = 5;

/**
 * Ticked steps on stderr with the time since the start: a spinner until the tick on a terminal,
 * one line when done on a pipe.
 */
export class Steps {
  readonly #world: World;
  readonly #startedAt = performance.now();
  #timer: ReturnType<typeof setInterval> | null = null;

  constructor(world: World) {
    this.#world = world;
  }

  /** A line of its own with the elapsed time at its end. */
  line(text: string): void {
    const room = this.#world.errIsTerminal ? this.#world.errColumns - TIME_COLUMNS : TEXT_COLUMNS;
    this.#world.err(`${text.padEnd(Math.min(TEXT_COLUMNS, room))}  ${this.#elapsed()}\n`);
  }

  /** Shows `doing` until `work` is over; then its result as a ticked line. Failures go through. */
  async step<T>(doing: string, work: () => Promise<T>, done: (value: T) => string): Promise<T> {
    this.#spin(doing);
    try {
      const value = await work();
      this.#settle();
      this.line(`  ✓ ${done(value)}`);
      return value;
    } catch (error) {
      this.#settle();
      if (!(error instanceof Interrupted)) this.line(`  ✗ ${doing}`);
      throw error;
    }
  }

  warn(text: string): void {
    const overSpinner = this.#timer === null ? "" : "\r\u001b[K";
    this.#world.err(`${overSpinner}  ! ${text}\n`);
  }

  #spin(doing: string): void {
    if (!this.#world.errIsTerminal) return;
    let frame = 0;
    // A line that wraps could not be drawn over.
    const text = cut(doing, this.#world.errColumns - SPINNER_COLUMNS);
    this.#timer = setInterval(() => {
      this.#world.err(`\r  ${SPINNER[frame % SPINNER.length] ?? ""} ${text}\u001b[K`);
      frame += 1;
    }, FRAME_MILLIS);
  }

  #settle(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#world.err("\r\u001b[K");
  }

  #elapsed(): string {
    return `${((performance.now() - this.#startedAt) / 1000).toFixed(1)} s`;
  }
}
