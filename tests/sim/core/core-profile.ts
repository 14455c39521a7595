import type { DiskProfile } from "../world/disk.ts";
import type { NetworkProfile } from "../world/network.ts";
import type { SimRandom } from "../world/sim-random.ts";

export type CoreProfile = {
  readonly founderCount: number;
  readonly tickMillis: number;
  /** How much faster or slower than `tickMillis` some nodes tick. */
  readonly tickDrift: number;
  readonly proposalMillisMax: number;
  readonly clientCount: number;
  readonly keyCount: number;
  /** Half of the seeds fall silent before the end: then only the leaders themselves can commit. */
  readonly isSilentAtEnd: boolean;
  /** Whether, in the calm, one follower goes on coming and going. */
  readonly isDisturbedAtEnd: boolean;
  readonly maxMsgBytes: number;
  readonly maxInflightMsgs: number;
  readonly maxApplyEntries: number;
  readonly learnerPromoteLag: number;
  /** How long the operator waits between two changes of membership; null = none are made. */
  readonly changeMillisMax: number | null;
  /** Whether a removed member is turned away at the door: never, as its log may be needed yet. */
  readonly refusesRemoved: boolean;
  /** That a node makes a snapshot after a batch. */
  readonly snapshotChance: number;
  /** How many entries that a snapshot stands for are kept, at most. */
  readonly keptEntriesMax: number;
  readonly disk: DiskProfile;
  readonly network: NetworkProfile;
};

/** Every seed is another world: some are quick and clean, some slow, lossy and out of order. */
export function coreProfile(random: SimRandom): CoreProfile {
  return {
    founderCount: random.pick([1, 3, 3, 3, 3, 5]),
    tickMillis: random.pick([50, 100, 100]),
    tickDrift: random.pick([1, 1, 1, 1.3, 2]),
    proposalMillisMax: random.pick([30, 100, 300]),
    clientCount: random.pick([2, 4, 6]),
    keyCount: random.pick([1, 4]),
    isSilentAtEnd: random.chance(0.5),
    isDisturbedAtEnd: random.chance(0.3),
    maxMsgBytes: random.pick([200, 2_000, 512 * 1024]),
    maxInflightMsgs: random.pick([2, 64]),
    maxApplyEntries: random.pick([4, 1024]),
    learnerPromoteLag: random.pick([10, 1024]),
    changeMillisMax: random.pick([null, 400, 800, 800, 2_000]),
    refusesRemoved: random.chance(0),
    snapshotChance: random.pick([0, 0.02, 0.1, 0.1, 0.3]),
    keptEntriesMax: random.pick([1, 1, 10, 100]),
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
    lostSyncChance: 0,
  };
}

export function networkProfile(random: SimRandom): NetworkProfile {
  return {
    delayMillisMin: 0.1,
    delayMillisMax: random.pick([0.5, 2, 10, 40]),
    dropChance: random.pick([0, 0, 0.01, 0.08]),
    duplicateChance: random.pick([0, 0.02, 0.1]),
    copiesMax: random.pick([1, 5]),
    copyMillisMax: random.pick([40, 1_000, 30_000]),
    spikeChance: random.pick([0, 0.01, 0.03]),
    spikeMillisMax: random.pick([200, 1_500]),
    reorders: random.chance(0.5),
  };
}
