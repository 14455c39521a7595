/** Times of the leader's duties, in milliseconds; the simulator runs at a tenth of them. */
export type LeaderSettings = {
  /** Silence after which a node gets no new work. */
  readonly suspectMillis: number;
  /** Silence after which a node is lost: its work runs again, or fails, as its spec says. */
  readonly lostMillis: number;
  /** Between two looks at who is silent. */
  readonly watchMillis: number;
  /** A look that comes later than this says that the leader itself did not run. */
  readonly ownStallMillis: number;
  /** Reports that arrive within this time of the last batch share the next one. */
  readonly reportBatchMillis: number;
  /** Between two attempts of a draining leader to hand over. */
  readonly handOverRetryMillis: number;
  /** Between two looks at members that are on their way to another seat. */
  readonly membersRetryMillis: number;
  /** Before a plan that was refused is made again. */
  readonly planRetryMillis: number;
};

export const LEADER_DEFAULTS: LeaderSettings = {
  suspectMillis: 10_000,
  lostMillis: 30_000,
  watchMillis: 1_000,
  ownStallMillis: 1_000,
  reportBatchMillis: 5,
  handOverRetryMillis: 1_000,
  membersRetryMillis: 200,
  planRetryMillis: 100,
};
