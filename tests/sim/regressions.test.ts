import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { createWorld } from "./layers.ts";

/**
 * Seeds that a bug has failed. So far these are the bugs of `tests/mutants`, put in on purpose: no
 * seed has found one in the product. A seed keeps its meaning only as long as nobody draws
 * differently from its streams: what must never come back has a unit test beside its source, too.
 */
const REGRESSIONS: readonly { readonly layer: string; readonly seed: number; why: string }[] = [
  { layer: "node", seed: 23, why: "a leader that is cut off must not renew its own lease (N2)" },
  {
    layer: "node",
    seed: 8,
    why: "a lease runs from when it was asked for, and lost comes after it (N3, N4)",
  },
  { layer: "node", seed: 135, why: "a node that lags behind its lease must not start work (N5)" },
  { layer: "core", seed: 25, why: "a candidate with a long log of an old term must lose (M13)" },
];

/** Virtual time is quick; a machine with other things to do is not. */
setDefaultTimeout(120_000);

describe("seeds that once failed", () => {
  test.each(REGRESSIONS)("$layer $seed: $why", ({ layer, seed }) => {
    const report = createWorld(layer, seed).run();

    expect(report.seed).toBe(seed);
  });
});
