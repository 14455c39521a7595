import { expect, test } from "bun:test";
import { cleanLine, cleanText } from "./clean-text.ts";

test.each([
  ["\u001b[2J", "␛[2J"],
  ["\u009b31m", "�31m"],
  ["a\u202eb", "a�b"],
  ["bell\u0007", "bell␇"],
  ["over\rwrite", "over␍write"],
])("shows %p as %p", (text, expected) => {
  expect(cleanText(text)).toBe(expected);
});

test("leaves ordinary text, tabs and newlines alone", () => {
  const text = "naïve 日本 🙂\tx\ny";

  expect(cleanText(text)).toBe(text);
  expect(cleanText(text)).toBe(text);
});

test("folds a text onto one line", () => {
  expect(cleanLine("a\r\n  b\nc")).toBe("a b c");
});
