import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { runInParallel } from "../batch.ts";
import { createWorld } from "../layers.ts";
import { median, type RunReport } from "../run.ts";

const SEEDS = 50;

/** Virtual time is quick; a machine with other things to do is not. */
setDefaultTimeout(120_000);

const run = (seed: number): RunReport => createWorld("core", seed).run();

describe("the raft core alone", () => {
  test(`keeps its properties in ${SEEDS} bad worlds`, async () => {
    const { reports, failures } = await runInParallel({ layer: "core", from: 0, count: SEEDS });

    expect(failures).toEqual([]);
    expect(median(reports, "elections")).toBeGreaterThanOrEqual(3);
    expect(median(reports, "crashes")).toBeGreaterThanOrEqual(2);
  });

  test("the same seed is the same run", () => {
    for (const seed of [1, 7, 42]) {
      expect(run(seed).hash).toBe(run(seed).hash);
    }
  });
});
