import { expect, test } from "bun:test";
import { untilNextLook } from "./next-look.ts";

test("looks fall on whole multiples of their period, whenever they began", () => {
  for (const now of [0, 1, 499, 500, 501, 999, 1_000.25, 86_400_123.5]) {
    expect((now + untilNextLook(now, 1_000)) % 1_000).toBe(0);
  }
});

test("a timer that comes a little early or late moves no look by a period", () => {
  expect(untilNextLook(1_999.5, 1_000)).toBe(1_000.5);
  expect(untilNextLook(2_000, 1_000)).toBe(1_000);
  expect(untilNextLook(2_003, 1_000)).toBe(997);
});

test("the first one comes after half a period at the earliest, one and a half at the latest", () => {
  for (let now = 0; now < 2_000; now += 7) {
    expect(untilNextLook(now, 1_000)).toBeGreaterThanOrEqual(500);
    expect(untilNextLook(now, 1_000)).toBeLessThanOrEqual(1_500);
  }
});
