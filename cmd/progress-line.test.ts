import { expect, test } from "bun:test";
import { bar } from "./progress-line.ts";

test("a bar has the same width at every fraction, also beyond its ends", () => {
  const widths = [-1, 0, 0.5, 0.999, 1, 2].map((fraction) => [...bar(fraction)].length);

  expect(new Set(widths).size).toBe(1);
  expect(bar(0.999)).toEndWith(" 99 %");
  expect(bar(2)).toEndWith("100 %");
});
