/** Times of the executor, in milliseconds; the simulator runs at a tenth of them. */
export type ExecutorSettings = {
  readonly heartbeatMillis: number;
  /** From the send time of an answered heartbeat (SEMANTICS, Fencing): TERM, then KILL. */
  readonly termAfterMillis: number;
  readonly killAfterMillis: number;
  /** Before something that shows no effect is done, or reported, again; doubles up to the next. */
  readonly repeatMillis: number;
  readonly repeatMillisMax: number;
  /** A start that takes longer is reported at the next look; a shorter one is not worth an entry. */
  readonly slowStartMillis: number;
  /** After a call to the leader that failed: doubles, with jitter, up to `repeatMillis`. */
  readonly failedCallMillis: number;
  /** Between two looks when nothing happens. */
  readonly lookMillis: number;
  /** Finished tasks whose output stays on this machine, and for how long. */
  readonly finishedKept: number;
  readonly finishedKeptMillis: number;
};

export const EXECUTOR_DEFAULTS: ExecutorSettings = {
  heartbeatMillis: 2_000,
  termAfterMillis: 15_000,
  killAfterMillis: 25_000,
  repeatMillis: 1_000,
  repeatMillisMax: 10_000,
  slowStartMillis: 500,
  failedCallMillis: 100,
  lookMillis: 1_000,
  finishedKept: 1_000,
  finishedKeptMillis: 7 * 24 * 3_600_000,
};
