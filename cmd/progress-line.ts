import { cut } from "./cut.ts";
import type { World } from "./world.ts";

const REDRAW_MILLIS = 100;
const BAR_CELLS = 24;
const CLEAR_LINE = "\r\u001b[K";

/** One line on stderr that is drawn over; nothing where stderr is no terminal. */
export class ProgressLine {
  readonly #world: World;
  #shownAt = Number.NEGATIVE_INFINITY;
  #isShown = false;

  constructor(world: World) {
    this.#world = world;
  }

  /** At most ten times a second. `fraction` of 0 to 1; null: how much there is is not known. */
  show(fraction: number | null, text: string): void {
    const now = performance.now();
    if (!this.#world.errIsTerminal || now - this.#shownAt < REDRAW_MILLIS) return;
    this.#shownAt = now;
    this.#isShown = true;
    const line = fraction === null ? text : `${bar(fraction)} ${text}`;
    this.#world.err(`${CLEAR_LINE}${cut(line, this.#world.errColumns - 1)}`);
  }

  /** Makes room for another line; the next `show` draws below it. */
  clear(): void {
    if (this.#isShown) this.#world.err(CLEAR_LINE);
    this.#isShown = false;
  }
}

/** "█████░░░░░  50 %" */
export function bar(fraction: number): string {
  const part = Math.min(1, Math.max(0, fraction));
  const full = Math.round(part * BAR_CELLS);
  const percent = String(Math.floor(part * 100)).padStart(3);
  return `${"█".repeat(full)}${"░".repeat(BAR_CELLS - full)} ${percent} %`;
}
