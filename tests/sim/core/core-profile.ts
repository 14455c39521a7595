import type { DiskProfile } from "../world/disk.ts";
import type { NetworkProfile } from "../world/network.ts";
import type { SimRandom } from "../world/sim-random.ts";

export type CoreProfile = {
  readonly nodeCount: number;
  readonly tickMillis: number;
  readonly proposalMillisMax: number;
  /** Half of the seeds fall silent before the end: then only the leaders themselves can commit. */
  readonly isSilentAtEnd: boolean;
  readonly maxMsgBytes: number;
  readonly maxInflightMsgs: number;
  readonly disk: DiskProfile;
  readonly network: NetworkProfile;
};

/** Every seed is another world: some are quick and clean, some slow, lossy and out of order. */
export function coreProfile(random: SimRandom): CoreProfile {
  return {
    nodeCount: random.pick([3, 3, 3, 5]),
    tickMillis: random.pick([50, 100, 100]),
    proposalMillisMax: random.pick([30, 100, 300]),
    isSilentAtEnd: random.chance(0.5),
    maxMsgBytes: random.pick([200, 2_000, 512 * 1024]),
    maxInflightMsgs: random.pick([2, 64]),
    disk: diskProfile(random),
    network: networkProfile(random),
  };
}

export function diskProfile(random: SimRandom): DiskProfile {
  return {
    fsyncMillisMin: 0.1,
    fsyncMillisMax: random.pick([0.5, 5, 5, 30]),
    stallChance: random.pick([0, 0.01, 0.05]),
    stallMillisMax: random.pick([100, 800]),
  };
}

export function networkProfile(random: SimRandom): NetworkProfile {
  return {
    delayMillisMin: 0.1,
    delayMillisMax: random.pick([0.5, 2, 10, 40]),
    dropChance: random.pick([0, 0, 0.01, 0.08]),
    duplicateChance: random.pick([0, 0.02, 0.1]),
    spikeChance: random.pick([0, 0.01, 0.03]),
    spikeMillisMax: random.pick([200, 1_500]),
    reorders: random.chance(0.5),
  };
}
