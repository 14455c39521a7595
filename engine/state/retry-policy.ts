import { backoffMillis } from "../lib/backoff.ts";
import type { AttemptId } from "../lib/ids.ts";
import type { RetryPolicy } from "../lib/job-spec.ts";
import { fractionOf } from "./record-hash.ts";

/** Attempts that nodes, drains and agents may cost a job before it fails (SEMANTICS, Retries). */
export const LOSSES_MAX = 3;

const DECLINE_BASE_MILLIS = 1_000;
const DECLINE_MAX_MILLIS = 60_000;

/** `failures` counts this one. A start failure or a signal has no exit code to match. */
export function mayRetry(policy: RetryPolicy, failures: number, exitCode: number | null): boolean {
  if (failures > policy.count) return false;
  if (exitCode === null) return policy.onExit.length === 0;
  if (policy.notOnExit.includes(exitCode)) return false;
  return policy.onExit.length === 0 || policy.onExit.includes(exitCode);
}

/** Full jitter, but drawn from the attempt's name: every replica must arrive at the same time. */
export const retryDelayMillis = (
  policy: RetryPolicy,
  failures: number,
  attempt: AttemptId,
): number =>
  backoffMillis({
    attempt: failures - 1,
    baseMillis: policy.backoffMillis,
    maxMillis: policy.maxBackoffMillis,
    fraction: fractionOf(attempt),
  });

/**
 * A first decline costs no time. Declines in a row are not charged to the job, so their pace is
 * what keeps a node that declines everything from filling the log.
 */
export const declineDelayMillis = (declinesInARow: number): number =>
  declinesInARow <= 1
    ? 0
    : Math.min(DECLINE_MAX_MILLIS, DECLINE_BASE_MILLIS * 2 ** (declinesInARow - 2));
