import { createWorld } from "./layers.ts";
import { runBatch, seedsFrom } from "./run.ts";

export type Chunk = { readonly layer: string; readonly from: number; readonly count: number };

/** A thread that runs chunks of seeds; every run is alone in its own virtual time. */
declare const self: Worker;

self.onmessage = ({ data }: MessageEvent<Chunk>): void => {
  const { layer, from, count } = data;
  self.postMessage(runBatch((seed) => createWorld(layer, seed), seedsFrom(from, count)));
};
