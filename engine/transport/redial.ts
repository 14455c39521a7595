import { backoffMillis } from "../lib/backoff.ts";
import type { Random } from "../platform/random.ts";

/** About one second of quick redials: so long a killed process may take to come back cheaply. */
const QUICK_ATTEMPTS = 13;
const QUICK_MIN_MILLIS = 50;
const QUICK_SPREAD_MILLIS = 50;
const SLOW_BASE_MILLIS = 200;
const SLOW_MAX_MILLIS = 1000;

/**
 * How long to wait before dial number `attempt` after a stream closed: none, then 50–100 ms for
 * about a second, then a growing delay up to one second (contract 17).
 */
export function redialDelayMillis(attempt: number, random: Random): number {
  if (attempt === 0) return 0;
  if (attempt <= QUICK_ATTEMPTS) return QUICK_MIN_MILLIS + random.below(QUICK_SPREAD_MILLIS + 1);
  const jitter = backoffMillis({
    attempt: attempt - QUICK_ATTEMPTS,
    baseMillis: SLOW_BASE_MILLIS / 2,
    maxMillis: SLOW_MAX_MILLIS / 2,
    fraction: random.below(1 << 20) / (1 << 20),
  });
  return SLOW_BASE_MILLIS / 2 + jitter;
}
