import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { runInParallel } from "../batch.ts";
import { median } from "../run.ts";

const SEEDS = 50;

/** Virtual time is quick; a machine with other things to do is not. */
setDefaultTimeout(120_000);

describe("the raft core alone", () => {
  test(`keeps its properties in ${SEEDS} bad worlds`, async () => {
    const { reports, failures } = await runInParallel({ layer: "core", from: 0, count: SEEDS });

    expect(failures).toEqual([]);
    expect(median(reports, "elections")).toBeGreaterThanOrEqual(3);
    expect(median(reports, "crashes")).toBeGreaterThanOrEqual(2);
  });
});
