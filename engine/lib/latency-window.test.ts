import { describe, expect, test } from "bun:test";
import { LatencyWindow } from "./latency-window.ts";

describe("a window of latencies", () => {
  test("is empty before anything was measured", () => {
    expect(new LatencyWindow().summary(0)).toEqual({
      count: 0,
      p50Millis: 0,
      p99Millis: 0,
      maxMillis: 0,
    });
  });

  test("gives quantiles to within a fifth, and the largest value exactly", () => {
    const window = new LatencyWindow();
    for (let i = 1; i <= 1_000; i++) window.record(i / 10, 0);
    window.record(777, 0);

    const { count, p50Millis, p99Millis, maxMillis } = window.summary(0);

    expect(count).toBe(1_001);
    expect(p50Millis).toBeGreaterThanOrEqual(50);
    expect(p50Millis).toBeLessThan(60);
    expect(p99Millis).toBeGreaterThanOrEqual(99);
    expect(p99Millis).toBeLessThan(119);
    expect(maxMillis).toBe(777);
  });

  test("never says more than the largest value", () => {
    const window = new LatencyWindow();

    window.record(5, 0);

    expect(window.summary(0)).toMatchObject({ p50Millis: 5, p99Millis: 5, maxMillis: 5 });
  });

  test("forgets what is older than two minutes, and nothing that is younger than one", () => {
    const window = new LatencyWindow();
    window.record(900, 0);
    window.record(1, 59_000);

    const after = [60_000, 118_000, 120_000, 500_000].map((now) => window.summary(now).maxMillis);

    expect(after).toEqual([900, 900, 0, 0]);
  });

  test("takes what is out of its bounds", () => {
    const window = new LatencyWindow();
    for (const millis of [0, -1, 1e9]) window.record(millis, 0);

    expect(window.summary(0)).toMatchObject({ count: 3, maxMillis: 1e9 });
  });
});
