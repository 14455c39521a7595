import { CoreSimulation } from "./core/core-simulation.ts";
import { NodeSimulation } from "./node/node-simulation.ts";
import { type CreateWorld, type Limits, NO_LIMITS, type Trace, type World } from "./run.ts";
import { SqliteSimulation } from "./sqlite/sqlite-simulation.ts";

const LYING_DISKS = { lostSyncChance: 0.05 };

const LAYERS: Readonly<Record<string, CreateWorld>> = {
  core: (seed, trace, limits) => new CoreSimulation(seed, trace, limits),
  node: (seed, trace, limits) => new NodeSimulation(seed, trace, limits),
  // Must fail: it shows that the checkers notice what a disk does not do.
  lying: (seed, trace, limits) => new CoreSimulation(seed, trace, { ...limits, ...LYING_DISKS }),
  sqlite: (seed, trace, limits) => new SqliteSimulation(seed, trace, limits),
};

/** The worlds that `bun run sim` knows. */
export const LAYER_NAMES: readonly string[] = Object.keys(LAYERS);

/** The world of a seed; throws when there is no such layer. */
export function createWorld(
  layer: string,
  seed: number,
  { trace = null, limits = NO_LIMITS }: { readonly trace?: Trace; readonly limits?: Limits } = {},
): World {
  const create = LAYERS[layer];
  if (create === undefined) throw new Error(`no layer ${layer}`);
  return create(seed, trace, limits);
}
