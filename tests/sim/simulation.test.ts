import { describe, expect, test } from "bun:test";
import { runInParallel } from "./batch.ts";
import { NodeSimulation } from "./node/node-simulation.ts";
import { median, total } from "./run.ts";

const SEEDS = 200;

describe("whole nodes", () => {
  test(
    `keep every property in ${SEEDS} bad worlds that were bad enough`,
    async () => {
      const { reports, failures } = await runInParallel({ layer: "node", from: 0, count: SEEDS });

      expect(failures).toEqual([]);
      expect(Math.min(...reports.map(({ millis }) => millis))).toBeGreaterThanOrEqual(10_000);
      expect(median(reports, "elections")).toBeGreaterThanOrEqual(3);
      expect(median(reports, "crashes")).toBeGreaterThanOrEqual(2);
      expect(median(reports, "finished")).toBeGreaterThanOrEqual(20);
      expect(total(reports, "lostNodes")).toBeGreaterThanOrEqual(20);
      expect(total(reports, "reruns")).toBeGreaterThanOrEqual(20);
    },
    { timeout: 120_000 },
  );

  test("the same seed is the same run", () => {
    for (const seed of [3, 8, 21]) {
      expect(new NodeSimulation(seed).run().hash).toBe(new NodeSimulation(seed).run().hash);
    }
  });
});
