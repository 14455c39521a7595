import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { livingProcess, tryHoldProcessFile, writeProcessFile } from "./process-file.ts";

const folder = mkdtempSync(join(tmpdir(), "nl-process-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a recorded process is alive only while pid and start time match", () => {
  const path = join(folder, "one.json");

  writeProcessFile(path, process.pid);
  expect(livingProcess(path)).toBe(process.pid);
  writeFileSync(path, JSON.stringify({ pid: process.pid, startedTicks: "1" }));

  expect(livingProcess(path)).toBeNull();
});

test("a file that a living process holds is not taken", () => {
  const path = join(folder, "held.lock");

  expect(tryHoldProcessFile(path)).toBe(true);
  expect(tryHoldProcessFile(path)).toBe(false);
});

test("a file that a dead process left is taken over, half-written ones too", () => {
  for (const left of ['{"pid":1,"startedTicks":"never"}', "", "{"]) {
    const path = join(folder, "stale.lock");
    rmSync(path, { force: true });
    writeFileSync(path, left);

    expect(tryHoldProcessFile(path)).toBe(true);
    expect(livingProcess(path)).toBe(process.pid);
  }
  expect(readdirSync(folder).filter((name) => /\.\d+/.test(name))).toEqual([]);
});
