import { backoffMillis } from "../lib/backoff.ts";

const BASE_MILLIS = 50;
const MAX_MILLIS = 1_000;

/** Between two rounds over all addresses: full jitter, so that clients do not come back as one. */
export const roundPause = (round: number): number =>
  backoffMillis({
    attempt: round,
    baseMillis: BASE_MILLIS,
    maxMillis: MAX_MILLIS,
    fraction: Math.random(),
  });

/** Resolves after `millis`, or when `signal` aborts. */
export function pause(millis: number, signal: AbortSignal | null): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", finish);
      resolve();
    };
    const timer = setTimeout(finish, millis);
    signal?.addEventListener("abort", finish);
  });
}
