import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createWorld } from "./layers.ts";

/**
 * Seeds that found a bug. A seed keeps its meaning only as long as nobody draws differently from
 * its streams: what must never come back has a unit test beside its source, too.
 */
const REGRESSIONS: readonly { readonly layer: string; readonly seed: number; why: string }[] = [
  {
    layer: "node",
    seed: 47,
    why: "a node that was marked lost and is alive again in one batch must get leases again",
  },
];

/** Virtual time is quick; a machine with other things to do is not. */
setDefaultTimeout(120_000);

describe("seeds that once failed", () => {
  test.each(REGRESSIONS)("$layer $seed: $why", ({ layer, seed }) => {
    const report = createWorld(layer, seed).run();

    expect(report.seed).toBe(seed);
  });
});
