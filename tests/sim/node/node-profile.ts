import { type CoreProfile, diskProfile, networkProfile } from "../core/core-profile.ts";
import type { SimRandom } from "../world/sim-random.ts";

export type NodeProfile = Pick<CoreProfile, "nodeCount" | "tickMillis" | "disk" | "network"> & {
  readonly jobCount: number;
  readonly faultPauseMillisMax: number;
};

/** Every seed is another world; mostly three nodes, with which most clusters run. */
export function nodeProfile(random: SimRandom): NodeProfile {
  return {
    nodeCount: random.chance(0.1) ? 5 : 3,
    tickMillis: random.pick([50, 100, 100, 100]),
    disk: diskProfile(random),
    network: networkProfile(random),
    jobCount: 28 + random.below(12),
    faultPauseMillisMax: random.pick([700, 1_200, 2_000]),
  };
}
