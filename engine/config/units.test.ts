import { describe, expect, test } from "bun:test";
import { parseDuration } from "./durations.ts";
import { parseCpu, parseSize } from "./sizes.ts";

const value = (result: { ok: boolean; value?: number }): number | null => result.value ?? null;

describe("parseDuration", () => {
  test.each<[unknown, number]>([
    ["90s", 90_000],
    ["1h30m", 5_400_000],
    ["500ms", 500],
    ["2d", 172_800_000],
    ["1.5s", 1_500],
    [" 5m ", 300_000],
    ["0", 0],
    [250, 250],
  ])("%j is %d ms", (text, millis) => {
    expect(value(parseDuration(text))).toBe(millis);
  });

  test.each([
    "",
    "30",
    "s",
    "5 m",
    "1x",
    "-1s",
    "1e3s",
    "1h ago",
    "9".repeat(50),
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1e300,
    null,
    true,
    {},
  ])("%p is refused", (text) => {
    expect(parseDuration(text).ok).toBe(false);
  });
});

describe("parseSize", () => {
  test.each<[unknown, number]>([
    ["256Mi", 268_435_456],
    ["256MiB", 268_435_456],
    ["1Gi", 1_073_741_824],
    ["1.5Ki", 1_536],
    ["500M", 500_000_000],
    ["1GB", 1_000_000_000],
    ["1024", 1_024],
    ["7B", 7],
    [4096, 4_096],
  ])("%j is %d bytes", (text, bytes) => {
    expect(value(parseSize(text))).toBe(bytes);
  });

  test.each(["", "Mi", "256m", "256mb", "-1", "1e9", "1Pi", "9999999999999999Ti", -1, null, {}])(
    "%p is refused: a small m could mean thousandths",
    (text) => {
      expect(parseSize(text).ok).toBe(false);
    },
  );
});

describe("parseCpu", () => {
  test.each<[unknown, number]>([
    [1, 1_000],
    [0.5, 500],
    ["0.125", 125],
    ["500m", 500],
    ["2", 2_000],
  ])("%j is %d thousandths of a core", (text, millis) => {
    expect(value(parseCpu(text))).toBe(millis);
  });

  test.each(["", "m", "0.0001", 0.0001, "1e3", "0x10", Number.NaN, "two", null])(
    "%p is refused",
    (text) => {
      expect(parseCpu(text).ok).toBe(false);
    },
  );
});
