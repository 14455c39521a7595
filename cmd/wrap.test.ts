import { expect, test } from "bun:test";
import { wrap } from "./wrap.ts";

test("breaks between words and keeps every word", () => {
  expect(wrap("one two three", { columns: 7 })).toEqual(["one two", "three"]);
  expect(wrap("a-very-long-word b", { columns: 5 })).toEqual(["a-very-long-word", "b"]);
  expect(wrap("", { columns: 5 })).toEqual([""]);
});
