/** Everything that a nemesis can do; a world offers a part of it, and a seed enables a part of that. */
export type Fault =
  | NetworkFault
  | ProcessFault
  | DiskFault
  | LeadershipFault
  | "lose-node"
  | "lose-leader"
  | "kill-host"
  | "drain"
  | "jump-clock";

export type NetworkFault =
  | "isolate"
  | "split"
  | "one-way"
  | "bridge"
  | "flap"
  | "slow-link"
  | "cut-snapshots";

export type ProcessFault =
  | "kill"
  | "power"
  | "power-all"
  | "die-mid-turn"
  | "die-in-restore"
  | "freeze"
  | "freeze-long"
  | "storm"
  | "rolling";

export type DiskFault =
  | "stall"
  | "damage"
  | "damage-minority"
  | "disk-error"
  | "disk-full"
  | "wipe";

export type LeadershipFault = "transfer" | "transfer-and-crash" | "campaign-all";
