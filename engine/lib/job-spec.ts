/** What a user wants run. One shape for YAML, JSON, flags, wire and state (SEMANTICS §2, Submit). */
export type JobSpec = {
  /** A label, not unique. */
  readonly name: string;
  /** The argv. A shell line arrives as `["sh", "-ec", line]`. Never empty. */
  readonly command: readonly string[];
  /** The image named by the user; empty = none named, so the driver ladder may choose. */
  readonly image: string;
  readonly driver: DriverChoice;
  readonly env: Readonly<Record<string, string>>;
  readonly resources: Resources;
  /** Per attempt, from task start, on a monotonic clock. */
  readonly timeoutMillis: number;
  /** Covers queueing on the node and image preparation, which `timeoutMillis` does not charge. */
  readonly startTimeoutMillis: number;
  /** Between TERM and KILL. */
  readonly killGraceMillis: number;
  readonly retries: RetryPolicy;
  readonly onLost: OnLost;
  /** Never starts a second time, whatever happened to the first attempt. */
  readonly once: boolean;
  /** 0–100, higher first. */
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Bytes kept of each of stdout and stderr: this many first and this many last. */
  readonly outputKeepBytes: number;
};

export type DriverChoice = "auto" | "docker" | "process" | "plain";
export type OnLost = "rerun" | "fail" | "wait";

export type Resources = {
  /** Thousandths of a core, reserved and limited. */
  readonly cpuMillis: number;
  /** Reserved and limited. */
  readonly memoryBytes: number;
  readonly pids: number;
};

export type RetryPolicy = {
  /** Program failures only; node loss and agent faults have a budget of their own. */
  readonly count: number;
  readonly backoffMillis: number;
  readonly maxBackoffMillis: number;
  /** Retry only these exit codes; empty = any. */
  readonly onExit: readonly number[];
  readonly notOnExit: readonly number[];
};

export const SPEC_DEFAULTS = {
  driver: "auto",
  resources: { cpuMillis: 500, memoryBytes: 256 * 1024 * 1024, pids: 128 },
  timeoutMillis: 3_600_000,
  startTimeoutMillis: 600_000,
  killGraceMillis: 10_000,
  retries: { count: 0, backoffMillis: 5_000, maxBackoffMillis: 300_000, onExit: [], notOnExit: [] },
  onLost: "rerun",
  once: false,
  priority: 50,
  outputKeepBytes: 256 * 1024,
} as const satisfies Partial<JobSpec>;

/** Limits of DESIGN §4. */
export const COMMAND_BYTES_MAX = 64 * 1024;
export const SPEC_BYTES_MAX = 128 * 1024;
