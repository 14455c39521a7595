import { expect, test } from "bun:test";
import { firstLook } from "./first-look.ts";

test.each([
  [["run", "--", "true"], true],
  [["-a", "127.0.0.1:7171", "run", "--imge", "x"], true],
  [["--data=/x", "wait", "01j9"], true],
  [["submit", "--wait", "--", "true"], true],
  [["submit", "--", "--wait"], false],
  [["ps", "run"], false],
  [["up", "--", "run"], false],
  [[], false],
])("%p exits as its job: %p", (words, exitsAsJob) => {
  expect(firstLook(words).exitsAsJob).toBe(exitsAsJob);
});

test.each([
  [["ps", "-o", "json"], "json"],
  [["--output=jsonl", "ps"], "jsonl"],
  [["ps", "-o"], null],
  [["run", "--", "ls", "-o", "json"], null],
])("%p asks for the format %p", (words, format) => {
  expect(firstLook(words).format).toBe(format);
});
