import { expect, test } from "bun:test";
import { nearest } from "./nearest.ts";

test.each([
  ["statsu", "status"],
  ["canel", "cancel"],
  ["ps", "ps"],
])("suggests for %p the name %p", (word, expected) => {
  expect(nearest(word, ["status", "cancel", "ps", "submit"])).toBe(expected);
});

test("suggests nothing when nothing is close", () => {
  expect(nearest("frobnicate", ["status", "cancel", "ps"])).toBeNull();
});
