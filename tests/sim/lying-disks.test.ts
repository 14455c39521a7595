import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createWorld } from "./layers.ts";
import { runBatch, seedsFrom } from "./run.ts";

const SEEDS = 10;

/** Virtual time is quick; a machine with other things to do is not. */
setDefaultTimeout(120_000);

describe("disks that say they are done and are not", () => {
  test("are beyond what Raft bears, and every seed shows it", () => {
    const { failures } = runBatch((seed) => createWorld("lying", seed), seedsFrom(0, SEEDS));

    const properties = failures.map(({ problem }) => problem.split(":")[0]);
    expect(properties).toHaveLength(SEEDS);
    expect(properties).toContain("durable before sent");
  });
});
