import type { SnapshotPolicy } from "../../../engine/replica/replica.ts";
import { type CoreProfile, diskProfile, networkProfile } from "../core/core-profile.ts";
import type { Fault } from "../fault.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { JobMix } from "./workload.ts";

/** What a seed is about: which faults, at which pace, and which jobs they meet. */
type Theme = {
  readonly menu: readonly Fault[];
  /** Share of the menu that a seed enables. */
  readonly menuShare: number;
  readonly ticksMillis: readonly number[];
  readonly firstFaultMillis: readonly [number, number];
  readonly jobs: Omit<JobMix, "count">;
};

export type NodeProfile = Pick<CoreProfile, "disk" | "network"> & {
  readonly snapshots: SnapshotPolicy;
  readonly theme: Theme;
  /** Versions are mixed: all but one node come back as newer ones. */
  readonly isUpgraded: boolean;
  readonly nodeCount: number;
  readonly tickMillis: number;
  readonly jobCount: number;
  readonly faultPauseMillisMax: number;
};

const EVERYTHING: Theme = {
  menu: [
    ...(["kill", "power", "die-mid-turn", "freeze", "isolate", "split", "one-way"] as const),
    ...(["stall", "transfer", "power-all", "damage", "kill-host", "drain", "jump-clock"] as const),
    ...(["lose-node", "flap", "bridge", "slow-link", "freeze-long", "storm"] as const),
    ...(["disk-error", "disk-full", "damage-minority"] as const),
  ],
  menuShare: 0.5,
  ticksMillis: [50, 100, 100, 100],
  firstFaultMillis: [50, 1_500],
  jobs: { longShare: 0.35, veryLongShare: 0, stubbornShare: 0.2, gracesMillis: [50, 200, 1_000] },
};

/** Nodes that are called lost while their tasks live on: what fencing is for. */
const LOSSES: Theme = {
  menu: [
    ...(["lose-node", "lose-node", "lose-node", "lose-leader"] as const),
    ...(["kill", "kill", "isolate", "freeze"] as const),
  ],
  menuShare: 1,
  ticksMillis: [50, 100, 200],
  firstFaultMillis: [50, 1_500],
  jobs: { longShare: 0.8, veryLongShare: 0.4, stubbornShare: 0.8, gracesMillis: [200, 1_000] },
};

/** Slow elections and a leader that is cut off, tasks and all: who may renew its own lease? */
const DEPOSED: Theme = {
  menu: ["lose-leader", "lose-leader", "kill"],
  menuShare: 1,
  ticksMillis: [200],
  firstFaultMillis: [1_900, 2_400],
  jobs: { longShare: 0.8, veryLongShare: 0.6, stubbornShare: 0.8, gracesMillis: [1_000] },
};

/** Every seed is another world; mostly three nodes, with which most clusters run. */
export function nodeProfile(random: SimRandom): NodeProfile {
  const theme = random.pick(DOZEN);
  return {
    theme,
    nodeCount: random.chance(0.1) ? 5 : 3,
    tickMillis: random.pick(theme.ticksMillis),
    disk: diskProfile(random),
    network: networkProfile(random),
    snapshots: {
      entries: random.pick([100_000, 60, 25, 25]),
      logBytes: 2 ** 26,
      keepEntries: random.pick([0, 5, 5, 50]),
      recordsPerSlice: random.pick([4, 16, 64]),
    },
    isUpgraded: random.chance(0.3),
    jobCount: 22 + random.below(10),
    faultPauseMillisMax: random.pick([700, 1_200, 2_000]),
  };
}

/** How often each theme comes, in twelve seeds. */
const DOZEN: readonly Theme[] = [
  ...Array.from({ length: 7 }, () => EVERYTHING),
  ...Array.from({ length: 4 }, () => LOSSES),
  DEPOSED,
];
