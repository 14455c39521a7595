import type { Job, WatchEvent } from "../engine/client/client.ts";
import { createModel, type Model, reduce } from "../engine/view/model.ts";
import { paste, press } from "../engine/view/press.ts";
import {
  type Effect,
  INITIAL_UI,
  type LogState,
  type Message,
  type UiState,
} from "../engine/view/ui-state.ts";

/** At most this often is data painted; keys are painted at once. */
const DATA_FRAME_MILLIS = 250;
/** Ages tick. */
const CLOCK_MILLIS = 1_000;

/**
 * Model and choices outside React: deltas change them in place, one timer paints. React sees only
 * a version number.
 */
export class TopStore {
  readonly model: Model;
  ui: UiState = INITIAL_UI;
  readonly #perform: (effect: Effect, store: TopStore) => void;
  readonly #listeners = new Set<() => void>();
  #version = 0;
  #dataTimer: ReturnType<typeof setTimeout> | null = null;
  #clock: ReturnType<typeof setInterval> | null = null;

  constructor(perform: (effect: Effect, store: TopStore) => void) {
    this.model = createModel(Date.now());
    this.#perform = perform;
  }

  start(): void {
    this.#clock = setInterval(() => this.#paint(), CLOCK_MILLIS);
  }

  stop(): void {
    if (this.#clock !== null) clearInterval(this.#clock);
    if (this.#dataTimer !== null) clearTimeout(this.#dataTimer);
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  readonly version = (): number => this.#version;

  onWatch(event: WatchEvent): void {
    reduce(this.model, event, Date.now());
    // What concerns the connection is seen at once; rows may wait for the next frame.
    if (event.kind === "snapshot" || event.kind === "delta" || event.kind === "alive")
      this.#paintSoon();
    else this.#paint();
  }

  press(key: string): void {
    const { ui, effects } = press(this.ui, key, this.model);
    this.#change(ui);
    for (const effect of effects) this.#perform(effect, this);
  }

  paste(text: string): void {
    this.#change(paste(this.ui, text));
  }

  say(message: Message): void {
    this.#change({ ...this.ui, message });
  }

  setLog(log: LogState | null): void {
    this.ui = { ...this.ui, log };
    this.#paintSoon();
  }

  setDetail(detail: Job | null): void {
    this.ui = { ...this.ui, detail };
    this.#paintSoon();
  }

  #change(ui: UiState): void {
    if (ui === this.ui) return;
    this.ui = ui;
    this.#paint();
  }

  #paintSoon(): void {
    this.#dataTimer ??= setTimeout(() => this.#paint(), DATA_FRAME_MILLIS);
  }

  #paint(): void {
    if (this.#dataTimer !== null) clearTimeout(this.#dataTimer);
    this.#dataTimer = null;
    this.#version += 1;
    for (const listener of this.#listeners) listener();
  }
}
