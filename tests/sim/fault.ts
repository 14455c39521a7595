const NETWORK = [
  ...(["isolate", "split", "one-way", "bridge", "flap", "slow-link", "cut-snapshots"] as const),
] as const;
const PROCESS = [
  ...(["kill", "power", "power-all", "die-mid-turn", "die-in-restore"] as const),
  ...(["freeze", "freeze-long", "storm", "rolling"] as const),
] as const;
const DISK = [
  ...(["stall", "damage", "damage-minority", "disk-error", "disk-full", "wipe"] as const),
] as const;
const OTHER = [
  ...(["transfer", "transfer-and-crash", "campaign-all"] as const),
  ...(["lose-node", "lose-leader", "kill-host", "drain", "jump-clock"] as const),
] as const;

export type NetworkFault = (typeof NETWORK)[number];
export type DiskFault = (typeof DISK)[number];

/** Everything that a nemesis can do; a world offers a part of it, and a seed enables a part of that. */
export type Fault = NetworkFault | DiskFault | (typeof PROCESS)[number] | (typeof OTHER)[number];

const ALL: readonly string[] = [...NETWORK, ...PROCESS, ...DISK, ...OTHER];

export const isFault = (name: string): name is Fault => ALL.includes(name);
