import { describe, expect, test } from "bun:test";
import { CoreSimulation } from "./core-simulation.ts";

const SEEDS = 100;

describe("the raft core alone", () => {
  test(`keeps its properties in ${SEEDS} bad worlds`, () => {
    const reports = Array.from({ length: SEEDS }, (_, seed) => new CoreSimulation(seed).run());

    const elections = reports.map(({ coverage }) => coverage.elections).sort((a, b) => a - b);
    expect(elections[SEEDS / 2]).toBeGreaterThanOrEqual(3);
  });

  test("the same seed is the same run", () => {
    for (const seed of [1, 7, 42]) {
      expect(new CoreSimulation(seed).run().hash).toBe(new CoreSimulation(seed).run().hash);
    }
  });
});
