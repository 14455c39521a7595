/**
 * Exponential delay with full jitter: uniform in [0, min(max, base × 2^attempt)].
 * `fraction` is a uniform random number in [0, 1).
 */
export function backoffMillis(options: {
  readonly attempt: number;
  readonly baseMillis: number;
  readonly maxMillis: number;
  readonly fraction: number;
}): number {
  const ceiling = Math.min(options.maxMillis, options.baseMillis * 2 ** options.attempt);
  return Math.floor(ceiling * options.fraction);
}
