import { describe, expect, test } from "bun:test";
import type { Key } from "ink";
import { keysOf } from "./keys.ts";

const none = {} as Key;

describe("keys", () => {
  test("that come alone have the names that Ink gives them", () => {
    expect(keysOf("\r", { ...none, return: true })).toEqual(["return"]);
    expect(keysOf("", { ...none, escape: true })).toEqual(["escape"]);
    expect(keysOf("c", { ...none, ctrl: true })).toEqual(["ctrl-c"]);
  });

  test("that arrive together are told one by one, with Enter among them", () => {
    expect(keysOf("a:b\r", none)).toEqual(["a", ":", "b", "return"]);
    expect(keysOf("x\u007fy", none)).toEqual(["x", "backspace", "y"]);
  });

  test("are not read out of mouse reports", () => {
    expect(keysOf("[<0;10;5M", none)).toEqual([]);
  });
});
