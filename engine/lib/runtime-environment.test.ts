import { expect, test } from "bun:test";
import { processEnvironment } from "./runtime-environment.ts";

test("processes of ours are quiet when idle, unless the user knows better", () => {
  expect(processEnvironment({ HOME: "/h" })).toMatchObject({
    HOME: "/h",
    BUN_GC_TIMER_DISABLE: "1",
  });
  expect(processEnvironment({ MIMALLOC_PURGE_DELAY: "10" })["MIMALLOC_PURGE_DELAY"]).toBe("10");
});

test("options that the user has for bun are not for nl", () => {
  expect(processEnvironment({ BUN_OPTIONS: "--smol" })).not.toHaveProperty("BUN_OPTIONS");
});
