import { type CoreProfile, diskProfile, networkProfile } from "../core/core-profile.ts";
import type { SimRandom } from "../world/sim-random.ts";

export type NodeProfile = Pick<CoreProfile, "nodeCount" | "tickMillis" | "disk" | "network"> & {
  readonly jobCount: number;
  readonly faultPauseMillisMax: number;
};

/** Every seed is another world; mostly three nodes, with which most clusters run. */
export function nodeProfile(random: SimRandom): NodeProfile {
  return {
    nodeCount: random.pick([3, 3, 3, 3, 5]),
    tickMillis: random.pick([50, 100]),
    disk: diskProfile(random),
    network: networkProfile(random),
    jobCount: 30 + random.below(20),
    faultPauseMillisMax: random.pick([800, 1_500, 2_500]),
  };
}
