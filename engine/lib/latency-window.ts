/** In milliseconds; a quantile is exact to within a fifth, the largest value exactly. */
export type LatencySummary = {
  readonly count: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
  readonly maxMillis: number;
};

const LEAST_MILLIS = 0.01;
const BUCKETS_PER_DOUBLING = 4;
/** Up to about three minutes; longer ones are in the last bucket. */
const BUCKETS = 96;
const WINDOW_MILLIS = 60_000;

type Histogram = { readonly counts: Uint32Array; count: number; max: number };

const createHistogram = (): Histogram => ({ counts: new Uint32Array(BUCKETS), count: 0, max: 0 });

/** How long something took over the last one to two minutes, in constant memory. */
export class LatencyWindow {
  #current = createHistogram();
  #previous = createHistogram();
  #beganAtMillis: number | null = null;

  record(millis: number, nowMillis: number): void {
    this.#turn(nowMillis);
    const bucket = bucketOf(millis);
    const histogram = this.#current;
    histogram.counts[bucket] = (histogram.counts[bucket] ?? 0) + 1;
    histogram.count += 1;
    histogram.max = Math.max(histogram.max, millis);
  }

  summary(nowMillis: number): LatencySummary {
    this.#turn(nowMillis);
    const both = [this.#previous, this.#current];
    const count = both.reduce((sum, one) => sum + one.count, 0);
    const maxMillis = Math.max(...both.map(({ max }) => max));
    const at = (quantile: number) => Math.min(quantileOf(both, quantile * count), maxMillis);
    return { count, p50Millis: at(0.5), p99Millis: at(0.99), maxMillis };
  }

  #turn(nowMillis: number): void {
    this.#beganAtMillis ??= nowMillis;
    const windows = Math.floor((nowMillis - this.#beganAtMillis) / WINDOW_MILLIS);
    if (windows < 1) return;
    this.#previous = windows === 1 ? this.#current : createHistogram();
    this.#current = createHistogram();
    this.#beganAtMillis += windows * WINDOW_MILLIS;
  }
}

function bucketOf(millis: number): number {
  if (millis <= LEAST_MILLIS) return 0;
  const bucket = Math.ceil(Math.log2(millis / LEAST_MILLIS) * BUCKETS_PER_DOUBLING);
  return Math.min(bucket, BUCKETS - 1);
}

const upperBoundOf = (bucket: number): number =>
  LEAST_MILLIS * 2 ** (bucket / BUCKETS_PER_DOUBLING);

/** The upper bound of the bucket that holds the `rank`-th smallest value; 0 when there is none. */
function quantileOf(histograms: readonly Histogram[], rank: number): number {
  let seen = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    for (const { counts } of histograms) seen += counts[bucket] ?? 0;
    if (seen > 0 && seen >= rank) return upperBoundOf(bucket);
  }
  return 0;
}
