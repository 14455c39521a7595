import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { differences, runInParallel } from "./batch.ts";
import { noCoverage } from "./coverage.ts";
import { FULL_BATCH_SEEDS, shortfalls } from "./shortfalls.ts";

const SEEDS = FULL_BATCH_SEEDS;

/** Virtual time is quick; a machine with other things to do is not. */
setDefaultTimeout(120_000);

describe("whole nodes", () => {
  test(`keep every property in ${SEEDS} bad worlds that were bad enough`, async () => {
    const { reports, failures } = await runInParallel({ layer: "node", from: 0, count: SEEDS });

    expect(failures).toEqual([]);
    expect(shortfalls("node", reports)).toEqual([]);
  });

  test("a seed that is another run the second time is a failure of its batch", () => {
    const report = { seed: 1, hash: 1, millis: 10_000, coverage: noCoverage() };

    expect(differences([report], [report])).toEqual([]);
    expect(differences([report], [{ ...report, hash: 2 }])).toHaveLength(1);
  });
});
