import { assert } from "../lib/assert.ts";
import type { Index } from "../lib/ids.ts";
import { createRaft, type ImagedRaft } from "./raft.ts";
import type { Recorded, RecordedConfig, RecordKeeper } from "./recording.ts";
import type {
  Boot,
  ConfChange,
  Effects,
  Input,
  Message,
  ProposeResult,
  Raft,
  RaftConfig,
  Seq,
  Status,
} from "./types.ts";

/** A node whose every input is kept, so that what it did can be done again. */
export function recordedRaft(
  config: RaftConfig,
  boot: Boot,
  keepers: readonly RecordKeeper[],
): Raft {
  const { rng, trace, ...recorded } = config;
  const add = (event: Recorded): void => {
    for (const keeper of keepers) keeper.add(event);
  };
  add({ kind: "start", config: recorded, from: { kind: "boot", boot } });
  const drawing = {
    below(n: number): number {
      const value = rng.below(n);
      add({ kind: "draw", value });
      return value;
    },
  };
  const raft = createRaft({ ...config, rng: drawing }, boot);
  return new RecordedRaft({ raft, config: recorded, keepers });
}

type Parts = {
  readonly raft: ImagedRaft;
  readonly config: RecordedConfig;
  readonly keepers: readonly RecordKeeper[];
};

class RecordedRaft implements Raft {
  readonly #raft: ImagedRaft;
  readonly #config: RecordedConfig;
  readonly #keepers: readonly RecordKeeper[];

  constructor({ raft, config, keepers }: Parts) {
    this.#raft = raft;
    this.#config = config;
    this.#keepers = keepers;
  }

  get commit(): Index {
    return this.#raft.commit;
  }

  get lastIndex(): Index {
    return this.#raft.lastIndex;
  }

  tick(): void {
    this.input({ kind: "tick" });
  }

  quietTicks(): number {
    return this.#raft.quietTicks();
  }

  step(message: Message): void {
    this.input({ kind: "message", message });
  }

  propose(data: readonly Uint8Array[]): ProposeResult {
    return this.#ask({ kind: "propose", data });
  }

  proposeConf(change: ConfChange): ProposeResult {
    return this.#ask({ kind: "propose-conf", change });
  }

  read(ctx: number): void {
    this.input({ kind: "read", ctx });
  }

  persisted(seq: Seq): void {
    this.input({ kind: "persisted", seq });
  }

  applied(index: Index): void {
    this.input({ kind: "applied", index });
  }

  input(input: Input): ProposeResult | null {
    // Before it is done: what breaks the node must be in the recording.
    this.#add({ kind: "input", input });
    const result = this.#watch(() => this.#raft.input(input));
    if (result !== null) this.#add({ kind: "answer", result });
    return result;
  }

  take(): Effects | null {
    const effects = this.#watch(() => this.#raft.take());
    this.#add({ kind: "take", effects });
    this.#beginAnew();
    return effects;
  }

  status(): Status {
    return this.#raft.status();
  }

  #ask(input: Input): ProposeResult {
    const result = this.input(input);
    assert(result !== null, "a proposal is answered");
    return result;
  }

  #beginAnew(): void {
    for (const keeper of this.#keepers) {
      if (!keeper.wantsStart()) continue;
      const from = { kind: "image", image: this.#raft.image() } as const;
      keeper.add({ kind: "start", config: this.#config, from });
    }
  }

  #watch<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      const invariant = error instanceof Error ? error.message : String(error);
      this.#add({ kind: "broken", invariant });
      throw error;
    }
  }

  #add(event: Recorded): void {
    for (const keeper of this.#keepers) keeper.add(event);
  }
}
