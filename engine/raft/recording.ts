import type { CoreImage } from "./core.ts";
import type { Boot, Effects, Input, ProposeResult, RaftConfig } from "./types.ts";

/** What is set of a node, without what cannot be written down. */
export type RecordedConfig = Omit<RaftConfig, "rng" | "trace">;

/**
 * Everything that decides what a node does, in the order it happened. Numbers drawn by chance stand
 * behind the input that drew them, so that a recorded node keeps its own source of chance.
 */
export type Recorded =
  /** A replay can begin here. In the middle of a recording it is what a replay must have reached. */
  | { readonly kind: "start"; readonly config: RecordedConfig; readonly from: RecordedStart }
  | { readonly kind: "input"; readonly input: Input }
  | { readonly kind: "draw"; readonly value: number }
  | { readonly kind: "answer"; readonly result: ProposeResult }
  | { readonly kind: "take"; readonly effects: Effects | null }
  /** The input or take before it broke an invariant: the node is no more. */
  | { readonly kind: "broken"; readonly invariant: string };

type RecordedStart =
  | { readonly kind: "boot"; readonly boot: Boot }
  | { readonly kind: "image"; readonly image: CoreImage };

/** Keeps what is recorded, within a bound of its own. Must not throw: the node goes on without it. */
export interface RecordKeeper {
  add(event: Recorded): void;
  /** Asked after every take: true when it would rather begin anew than keep on. */
  wantsStart(): boolean;
}
