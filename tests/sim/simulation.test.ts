import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { runInParallel } from "./batch.ts";
import { createWorld } from "./layers.ts";
import type { RunReport } from "./run.ts";
import { FULL_BATCH_SEEDS, shortfalls } from "./shortfalls.ts";

const SEEDS = FULL_BATCH_SEEDS;

/** Virtual time is quick; a machine with other things to do is not. */
setDefaultTimeout(120_000);

describe("whole nodes", () => {
  let before: readonly RunReport[] = [];

  test(`keep every property in ${SEEDS} bad worlds that were bad enough`, async () => {
    const { reports, failures } = await runInParallel({ layer: "node", from: 0, count: SEEDS });

    expect(failures).toEqual([]);
    expect(shortfalls("node", reports)).toEqual([]);
    before = reports;
  });

  test("the same seed is the same run, in another process too", () => {
    for (const seed of [3, 8, 21]) {
      expect(createWorld("node", seed).run().hash).toBe(before[seed]?.hash ?? 0);
    }
  });
});
