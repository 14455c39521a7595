import { describe, expect, test } from "bun:test";
import { median, runBatch, seedsFrom } from "../run.ts";
import { CoreSimulation } from "./core-simulation.ts";

const SEEDS = 60;

describe("the raft core alone", () => {
  test(`keeps its properties in ${SEEDS} bad worlds`, () => {
    const { reports, failures } = runBatch(
      (seed, trace) => new CoreSimulation(seed, trace).run(),
      seedsFrom(0, SEEDS),
    );

    expect(failures.map(({ seed, error }) => `seed ${seed}: ${error.message}`)).toEqual([]);
    expect(median(reports, "elections")).toBeGreaterThanOrEqual(3);
    expect(median(reports, "crashes")).toBeGreaterThanOrEqual(2);
  });

  test("the same seed is the same run", () => {
    for (const seed of [1, 7, 42]) {
      expect(new CoreSimulation(seed).run().hash).toBe(new CoreSimulation(seed).run().hash);
    }
  });
});
