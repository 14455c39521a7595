import { err, ok, type Result } from "../lib/result.ts";

/** What one node is set to. Times in milliseconds, counts in ticks where the name says so. */
export type NodeConfig = {
  readonly profile: Profile;
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly tickMillis: number;
  /** An election starts after a random number of ticks in [min, max]. */
  readonly electionTicksMin: number;
  readonly electionTicksMax: number;
  readonly heartbeatTicks: number;
  /** False: leads only when leadership is handed to it. */
  readonly campaigns: boolean;
  readonly workerHeartbeatMillis: number;
  /** Silence after which a node gets no new work, and after which it is lost. */
  readonly suspectMillis: number;
  readonly lostMillis: number;
  /** Without an answered heartbeat: TERM, then KILL, counted from when it was sent. */
  readonly leaseMillis: number;
  readonly leaseKillMillis: number;
  /** With less room on its disk, a node takes no new jobs and keeps no new output. */
  readonly minFreeBytes: number;
  /** Tasks at a time on this node. */
  readonly slots: number;
  readonly drivers: DriverPolicy;
  readonly snapshots: SnapshotSettings;
  /** Where every input of the Raft core is recorded, for `bun run replay`; null = nowhere. */
  readonly record: { readonly path: string; readonly maxBytes: number } | null;
};

export type Profile = "development" | "staging" | "production";

/** When this node makes a snapshot of its state, and how much of its log stays behind it. */
type SnapshotSettings = {
  /** Log entries, and bytes of log, since the last one: whichever comes first. */
  readonly entries: number;
  readonly logBytes: number;
  /** Entries kept before it: a member that missed fewer needs no snapshot. */
  readonly keepEntries: number;
};

type DriverPolicy = {
  readonly choice: "auto" | "docker" | "process" | "plain";
  /** Whether `auto` may end at `plain`, which has no sandbox. */
  readonly plainAllowed: boolean;
};

/** One setting that cannot be as it is; the sentence names the rule with its numbers. */
export type NodeConfigError = { readonly field: keyof NodeConfig; readonly message: string };

const SLOTS_PER_CORE = 2;

export function defaultNodeConfig(machine: {
  readonly cores: number;
  readonly profile: Profile;
}): NodeConfig {
  return {
    profile: machine.profile,
    grpcPort: 7171,
    httpPort: 7181,
    tickMillis: 100,
    electionTicksMin: 10,
    electionTicksMax: 20,
    // A round every 300 ms: an idle leader and its task host stay below 1.5 % of a core, and an
    // election still needs three lost rounds. News travel at once, not with heartbeats.
    heartbeatTicks: 3,
    campaigns: true,
    workerHeartbeatMillis: 2_000,
    suspectMillis: 10_000,
    lostMillis: 30_000,
    leaseMillis: 15_000,
    leaseKillMillis: 25_000,
    minFreeBytes: 512 * 1024 * 1024,
    slots: SLOTS_PER_CORE * machine.cores,
    snapshots: { entries: 100_000, logBytes: 64 * 1024 * 1024, keepEntries: 10_000 },
    drivers: { choice: "auto", plainAllowed: machine.profile === "development" },
    record: null,
  };
}

/** Says everything that is wrong at once: a node that starts has no unsafe setting. */
export function validateNodeConfig(
  config: NodeConfig,
): Result<NodeConfig, readonly NodeConfigError[]> {
  const errors = RULES.filter(({ holds }) => !holds(config)).map(({ field, message }) => ({
    field,
    message: message(config),
  }));
  return errors.length === 0 ? ok(config) : err(errors);
}

type Rule = {
  readonly field: keyof NodeConfig;
  readonly holds: (config: NodeConfig) => boolean;
  readonly message: (config: NodeConfig) => string;
};

const isPort = (port: number): boolean => Number.isInteger(port) && port >= 1 && port <= 65_535;
const isPositive = (value: number): boolean => Number.isSafeInteger(value) && value > 0;

/** More often than that a node would do little else. */
const SNAPSHOT_ENTRIES_MIN = 100;
const SNAPSHOT_LOG_BYTES_MIN = 64 * 1024;

/** Margin between the end of a lost node's tasks and the start of their next attempts. */
const FENCING_MARGIN = 1.2;

const RULES: readonly Rule[] = [
  {
    field: "grpcPort",
    holds: ({ grpcPort }) => isPort(grpcPort),
    message: ({ grpcPort }) => `grpcPort ${grpcPort} is not a port from 1 to 65535`,
  },
  {
    field: "httpPort",
    holds: ({ httpPort, grpcPort }) => isPort(httpPort) && httpPort !== grpcPort,
    message: ({ httpPort }) =>
      `httpPort ${httpPort} must be a port from 1 to 65535 other than grpcPort`,
  },
  {
    field: "tickMillis",
    holds: ({ tickMillis }) => isPositive(tickMillis),
    message: ({ tickMillis }) => `tickMillis ${tickMillis} must be a positive whole number`,
  },
  {
    field: "electionTicksMin",
    holds: ({ electionTicksMin, heartbeatTicks }) =>
      isPositive(heartbeatTicks) && electionTicksMin >= 3 * heartbeatTicks,
    message: ({ electionTicksMin, heartbeatTicks }) =>
      `electionTicksMin ${electionTicksMin} must be at least 3 × heartbeatTicks ${heartbeatTicks}`,
  },
  {
    field: "electionTicksMax",
    holds: ({ electionTicksMax, electionTicksMin }) => electionTicksMax > electionTicksMin,
    message: ({ electionTicksMax, electionTicksMin }) =>
      `electionTicksMax ${electionTicksMax} must exceed electionTicksMin ${electionTicksMin}`,
  },
  {
    field: "suspectMillis",
    holds: ({ suspectMillis, workerHeartbeatMillis }) =>
      isPositive(workerHeartbeatMillis) && suspectMillis >= 2 * workerHeartbeatMillis,
    message: ({ suspectMillis, workerHeartbeatMillis }) =>
      `suspectMillis ${suspectMillis} must be at least 2 × workerHeartbeatMillis ${workerHeartbeatMillis}`,
  },
  {
    field: "leaseKillMillis",
    holds: ({ leaseMillis, leaseKillMillis, workerHeartbeatMillis }) =>
      leaseMillis > 2 * workerHeartbeatMillis && leaseKillMillis > leaseMillis,
    message: ({ leaseMillis, leaseKillMillis, workerHeartbeatMillis }) =>
      `leaseKillMillis ${leaseKillMillis} must exceed leaseMillis ${leaseMillis}, and that ` +
      `2 × workerHeartbeatMillis ${workerHeartbeatMillis}`,
  },
  {
    field: "lostMillis",
    holds: ({ lostMillis, leaseKillMillis, suspectMillis }) =>
      lostMillis >= FENCING_MARGIN * leaseKillMillis && lostMillis > suspectMillis,
    message: ({ lostMillis, leaseKillMillis }) =>
      `lostMillis ${lostMillis} must be at least ${FENCING_MARGIN} × leaseKillMillis ` +
      `${leaseKillMillis}: a lost node's tasks must be gone before they run again elsewhere`,
  },
  {
    field: "minFreeBytes",
    holds: ({ minFreeBytes }) => Number.isSafeInteger(minFreeBytes) && minFreeBytes >= 0,
    message: ({ minFreeBytes }) => `minFreeBytes ${minFreeBytes} must be zero or more whole bytes`,
  },
  {
    field: "slots",
    holds: ({ slots }) => isPositive(slots),
    message: ({ slots }) => `slots ${slots} must be a positive whole number`,
  },
  {
    field: "snapshots",
    holds: ({ snapshots: { entries, logBytes, keepEntries } }) =>
      entries >= SNAPSHOT_ENTRIES_MIN &&
      logBytes >= SNAPSHOT_LOG_BYTES_MIN &&
      Number.isSafeInteger(keepEntries) &&
      keepEntries >= 0,
    message: ({ snapshots: { entries, logBytes, keepEntries } }) =>
      `snapshots.entries ${entries} must be at least ${SNAPSHOT_ENTRIES_MIN}, snapshots.logBytes ` +
      `${logBytes} at least ${SNAPSHOT_LOG_BYTES_MIN}, snapshots.keepEntries ${keepEntries} not negative`,
  },
  {
    field: "drivers",
    holds: ({ profile, drivers }) => profile !== "production" || !drivers.plainAllowed,
    message: () => "drivers.plainAllowed must be false in production: plain has no sandbox",
  },
];
