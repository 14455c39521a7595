import { CoreSimulation } from "./core/core-simulation.ts";
import { NodeSimulation } from "./node/node-simulation.ts";
import type { Simulate } from "./run.ts";

/** The worlds that `bun run sim` knows, by name. */
export const LAYERS: Readonly<Record<string, Simulate>> = {
  core: (seed, trace) => new CoreSimulation(seed, trace).run(),
  node: (seed, trace) => new NodeSimulation(seed, trace).run(),
};
