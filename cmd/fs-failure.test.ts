import { expect, test } from "bun:test";
import { mkdirSync, readFileSync } from "node:fs";
import { fsFailure } from "./fs-failure.ts";

function caught(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

test("an error of the system becomes a sentence with its path and a hint", () => {
  const missing = fsFailure(caught(() => readFileSync("/nowhere/at-all")));
  const file = fsFailure(caught(() => mkdirSync("/etc/passwd/x")));

  expect(missing?.error).toMatchObject({
    code: "refused",
    message: "/nowhere/at-all: it does not exist (ENOENT)",
    hint: "check the path",
  });
  expect(file?.error.message).toBe("/etc/passwd/x: a part of the path is a file (ENOTDIR)");
});

test("a bug stays a bug", () => {
  expect(fsFailure(new TypeError("undefined is not a function"))).toBeNull();
  expect(fsFailure("text")).toBeNull();
  expect(fsFailure(Object.assign(new Error("x"), { code: "EWHATEVER" }))).toBeNull();
});
