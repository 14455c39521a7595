import { createWorld } from "./layers.ts";
import { runBatch, seedsFrom } from "./run.ts";

export type Chunk = { readonly layer: string; readonly from: number; readonly count: number };

/** A process that runs chunks of seeds; every run is alone in its own virtual time. */
process.on("message", ({ layer, from, count }: Chunk) => {
  process.send?.(runBatch((seed) => createWorld(layer, seed), seedsFrom(from, count)));
});
process.on("disconnect", () => process.exit());
