import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { World } from "../world.ts";
import { openSource, parseLine } from "./job-lines.ts";

const folder = mkdtempSync(join(tmpdir(), "nl-job-lines-"));
afterAll(() => rmSync(folder, { recursive: true }));

// A file needs nothing of the world.
const NO_WORLD = {} as World;

test("lines are numbered and their part of the file is known", async () => {
  const path = join(folder, "jobs.jsonl");
  writeFileSync(path, "ä\r\n\nthree");
  const source = openSource(path, NO_WORLD);

  const read: unknown[] = [];
  for await (const { number, text } of source.lines()) read.push([number, text]);

  expect(read).toEqual([
    [1, "ä"],
    [2, ""],
    [3, "three"],
  ]);
  expect(source.fraction()).toBeGreaterThan(0.9);
});

test("what cannot be read is refused before anything is sent", () => {
  expect(() => openSource(join(folder, "nowhere"), NO_WORLD)).toThrow("it does not exist");
  expect(() => openSource(folder, NO_WORLD)).toThrow("it is a directory");
});

test("a line may carry the id of its job, so that sending it again is safe", async () => {
  const line = '{"id":"aaaa00000001","run":"true"}';

  expect(await parseLine(line, {})).toMatchObject({ ok: true, value: { jobId: "aaaa00000001" } });
});

test("flags win over a line's own fields", async () => {
  const parsed = await parseLine('{"run":"true","name":"own"}', { name: "flag" });

  expect(parsed).toMatchObject({ ok: true, value: { spec: { name: "flag" } } });
});

test.each([
  ["[]", "mapping of fields"],
  ['"x"', "mapping of fields"],
  ["{bad", "not valid JSON"],
  ['{"runn":"x"}', "runn: is not a field"],
  ['{"run":"x","id":"zzz"}', "id: must be 12 characters"],
  [`{"run":"${"x".repeat(140_000)}"}`, "longer than 131072 bytes"],
])("refuses %p in one sentence", async (line, part) => {
  const parsed = await parseLine(line, {});

  expect(parsed.ok).toBe(false);
  if (!parsed.ok) expect(parsed.error).toContain(part);
});
