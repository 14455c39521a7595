import { expect, test } from "bun:test";
import { cellWidth, fit, fitRight, formatBytes, formatClock, formatCount } from "./format.ts";

test.each([
  [0, "0"],
  [999, "999"],
  [48_213, "48,213"],
  [1_234_567, "1,234,567"],
])("shows the count %p as %p", (value, expected) => {
  expect(formatCount(value)).toBe(expected);
});

test.each([
  [0, "00:00"],
  [42_900, "00:42"],
  [3_723_000, "1:02:03"],
  [187_200_000, "2d04h"],
])("shows %p ms as %p", (millis, expected) => {
  expect(formatClock(millis)).toBe(expected);
});

test.each([
  [12, "12 B"],
  [1536, "1.5 KiB"],
  [268_435_456, "256 MiB"],
])("shows %p bytes as %p", (bytes, expected) => {
  expect(formatBytes(bytes)).toBe(expected);
});

test.each([
  ["short", 8, "short   "],
  ["exactly8", 8, "exactly8"],
  ["much longer", 8, "much lo…"],
  ["日本語テキスト", 8, "日本語… "],
])("fits %p into %p cells", (text, cells, expected) => {
  expect(fit(text, cells)).toBe(expected);
  expect(cellWidth(fit(text, cells))).toBe(cells);
});

test("aligns to the right", () => {
  expect(fitRight("42", 5)).toBe("   42");
});
