import { unreachable } from "../lib/assert.ts";
import { createRaft, type ImagedRaft, restoreRaft } from "../raft/raft.ts";
import type { Effects, ProposeResult, RaftConfig, Rng, TraceEvent } from "../raft/types.ts";
import { outlineOf } from "../storage/effects-outline.ts";
import { PlainWriter } from "../storage/plain-codec.ts";
import type { Kept } from "../storage/recording-codec.ts";

/** How a core comes to be; a test passes one that misbehaves. */
export type Makers = {
  readonly create: typeof createRaft;
  readonly restore: typeof restoreRaft;
};

export type ReplayOptions = {
  /** Stops before this event. */
  readonly until?: number;
  readonly makers?: Makers;
  readonly onEvent?: (at: number, event: Kept) => void;
  readonly trace?: (event: TraceEvent) => void;
};

export type ReplayEnd = {
  /** Events that were replayed and gave what is recorded. */
  readonly count: number;
  readonly end:
    | { readonly kind: "equal" }
    /** The recording ends with a broken invariant, and so did the replay. */
    | { readonly kind: "broke-again"; readonly invariant: string }
    /** Event `count` is not what this core does. */
    | { readonly kind: "different"; readonly recorded: unknown; readonly replayed: unknown };
};

/** Gives a core what a recorded one was given, and compares what it answers. */
export function replay(events: readonly Kept[], options: ReplayOptions = {}): ReplayEnd {
  const replaying = new Replaying(events, options);
  const until = Math.min(options.until ?? events.length, events.length);
  for (let at = 0; at < until; at++) {
    const event = events[at];
    if (event === undefined) break;
    options.onEvent?.(at, event);
    const difference = replaying.step(at, event);
    if (difference !== null) return { count: at, end: { kind: "different", ...difference } };
    if (event.kind === "broken") {
      return { count: at + 1, end: { kind: "broke-again", invariant: event.invariant } };
    }
  }
  return { count: until, end: { kind: "equal" } };
}

type Difference = { readonly recorded: unknown; readonly replayed: unknown };
/** What the core just did that the recording must say next. */
type Owed =
  | { readonly kind: "answer"; readonly result: ProposeResult }
  | { readonly kind: "broken"; readonly invariant: string };

class Replaying {
  readonly #events: readonly Kept[];
  readonly #options: ReplayOptions;
  #raft: ImagedRaft | null = null;
  #draws: number[] = [];
  #owed: Owed | null = null;

  constructor(events: readonly Kept[], options: ReplayOptions) {
    this.#events = events;
    this.#options = options;
  }

  /** Null when the core did what is recorded. */
  step(at: number, event: Kept): Difference | null {
    if (event.kind === "draw") return null;
    this.#collectDraws(at);
    if (event.kind === "start") return this.#start(event);
    if (this.#raft === null) return { recorded: event, replayed: "nothing: there is no start yet" };
    const owed = this.#owed;
    this.#owed = null;
    if (owed !== null) return compare(event, owed);
    return this.#run(this.#raft, event);
  }

  #start({ config, from }: Extract<Kept, { kind: "start" }>): Difference | null {
    if (this.#raft !== null) {
      return from.kind === "image" ? compare(from.image, this.#raft.image()) : null;
    }
    const { create, restore } = this.#options.makers ?? {
      create: createRaft,
      restore: restoreRaft,
    };
    const rng: Rng = { below: () => this.#draw() };
    const { trace } = this.#options;
    const whole: RaftConfig = { ...config, rng, ...(trace === undefined ? {} : { trace }) };
    this.#raft = from.kind === "boot" ? create(whole, from.boot) : restore(whole, from.image);
    return null;
  }

  #run(raft: ImagedRaft, event: Exclude<Kept, { kind: "start" | "draw" }>): Difference | null {
    switch (event.kind) {
      case "input":
        this.#owed = outcomeOf(() => raft.input(event.input));
        return null;
      case "take":
        return this.#take(raft, event);
      case "broken":
        // No input owes it, so it was a take that broke.
        return compare(event, takeOf(raft).broken);
      case "answer":
        return { recorded: event, replayed: "no answer" };
      default:
        return unreachable(event);
    }
  }

  #take(raft: ImagedRaft, event: Extract<Kept, { kind: "take" }>): Difference | null {
    const { effects, broken } = takeOf(raft);
    if (broken !== null) return { recorded: event.effects, replayed: broken };
    if (this.#draws.length > 0) {
      return { recorded: `${this.#draws.length} more numbers drawn`, replayed: "none" };
    }
    return compare(event.effects, effects === null ? null : outlineOf(effects));
  }

  /** What was drawn stands behind what drew it. */
  #collectDraws(at: number): void {
    for (let next = at + 1; ; next++) {
      const event = this.#events[next];
      if (event?.kind !== "draw") return;
      this.#draws.push(event.value);
    }
  }

  #draw(): number {
    const value = this.#draws.shift();
    if (value === undefined) throw new RangeError("more numbers are drawn than were recorded");
    return value;
  }
}

function takeOf(raft: ImagedRaft) {
  let effects: Effects | null = null;
  const broken = outcomeOf(() => {
    effects = raft.take();
    return null;
  });
  return { effects: effects as Effects | null, broken };
}

function outcomeOf(action: () => ProposeResult | null): Owed | null {
  try {
    const result = action();
    return result === null ? null : { kind: "answer", result };
  } catch (error) {
    return { kind: "broken", invariant: error instanceof Error ? error.message : String(error) };
  }
}

/** Both as bytes: what cannot be told apart there is equal. */
function compare(recorded: unknown, replayed: unknown): Difference | null {
  const [left, right] = [recorded, replayed].map((value) => new PlainWriter().write(value));
  const isEqual = left !== undefined && right !== undefined && Buffer.from(left).equals(right);
  return isEqual ? null : { recorded, replayed };
}
