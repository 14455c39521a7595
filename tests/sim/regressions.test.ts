import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { LAYERS } from "./layers.ts";

/**
 * Seeds that once failed. A seed keeps its meaning only as long as nobody draws differently from
 * its streams: what must never come back for sure has a unit test beside its source, too.
 */
const REGRESSIONS: readonly { readonly layer: string; readonly seed: number; why: string }[] = [
  { layer: "node", seed: 11, why: "a leader that is cut off must not renew its own lease (N2)" },
  { layer: "node", seed: 187, why: "the same, with the second attempt on another node (N2)" },
  { layer: "core", seed: 98, why: "a candidate with a long log of an old term must lose (M13)" },
];

/** Virtual time is quick; a machine with other things to do is not. */
setDefaultTimeout(120_000);

describe("seeds that once failed", () => {
  test.each(REGRESSIONS)("$layer $seed: $why", ({ layer, seed }) => {
    const report = LAYERS[layer]?.(seed, null);

    expect(report?.seed).toBe(seed);
  });
});
