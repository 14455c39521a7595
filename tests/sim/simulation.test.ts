import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { runInParallel } from "./batch.ts";
import { createWorld } from "./layers.ts";
import type { RunReport } from "./run.ts";
import { FULL_BATCH_SEEDS, shortfalls } from "./shortfalls.ts";

const SEEDS = FULL_BATCH_SEEDS;

/** Virtual time is quick; a machine with other things to do is not. */
setDefaultTimeout(120_000);

const run = (seed: number): RunReport => createWorld("node", seed).run();

describe("whole nodes", () => {
  test(`keep every property in ${SEEDS} bad worlds that were bad enough`, async () => {
    const { reports, failures } = await runInParallel({ layer: "node", from: 0, count: SEEDS });

    expect(failures).toEqual([]);
    expect(shortfalls("node", reports)).toEqual([]);
  });

  test("the same seed is the same run", () => {
    for (const seed of [3, 8, 21]) {
      expect(run(seed).hash).toBe(run(seed).hash);
    }
  });
});
