import { expect, test } from "bun:test";
import { join } from "node:path";
import { cellWidth } from "./format.ts";
import { frame } from "./frame.ts";
import { lineText } from "./line.ts";
import { type Model, reduce } from "./model.ts";
import { press } from "./press.ts";
import { attached, NOW, sampleModel } from "./testing/sample-model.ts";
import { INITIAL_UI, type UiState } from "./ui-state.ts";

const SIZES = [
  { columns: 60, rows: 16 },
  { columns: 80, rows: 24 },
  { columns: 160, rows: 45 },
];

function draw(model: Model, ui: UiState, size = { columns: 80, rows: 24 }): readonly string[] {
  return frame({ model, ui, size, now: NOW }).map(lineText);
}

const pressed = (model: Model, ...keys: readonly string[]): UiState =>
  keys.reduce((ui, key) => press(ui, key, model).ui, INITIAL_UI);

const SCREENS: readonly (readonly [string, readonly string[]])[] = [
  ["cluster", []],
  ["jobs", ["2"]],
  ["job", ["2", "down", "return"]],
  ["drain-dialog", ["down", "d"]],
  ["help", ["?"]],
];

test.each(SCREENS)("draws the screen %p as reviewed", async (name, keys) => {
  const model = sampleModel();
  const text = `${draw(model, pressed(model, ...keys))
    .map((line) => line.trimEnd())
    .join("\n")}\n`;
  const golden = join(import.meta.dir, `../../tests/golden/frames/${name}.txt`);

  if (process.env["UPDATE"] === "1") await Bun.write(golden, text);

  expect(text).toBe(await Bun.file(golden).text());
});

test.each(SIZES)("fills exactly the screen, never more, at %p", (size) => {
  const model = sampleModel();
  for (const [, keys] of SCREENS) {
    const lines = draw(model, pressed(model, ...keys), size);

    expect(lines).toHaveLength(size.rows);
    for (const line of lines) expect(cellWidth(line)).toBeLessThanOrEqual(size.columns);
  }
});

test("says what it needs when the terminal is too small, and keeps running", () => {
  const lines = draw(sampleModel(), INITIAL_UI, { columns: 52, rows: 14 });

  expect(lines[0]).toBe("nl top needs 60x16, this is 52x14");
  expect(lines).toHaveLength(14);
});

test("a lost node dims the screen and says that what is shown is old", () => {
  const model = sampleModel();
  reduce(model, { kind: "lost", reason: "the stream closed", retryInMillis: 0 }, NOW - 2_100);
  reduce(model, { kind: "connecting", address: "127.0.0.1:7173" }, NOW);

  const lines = draw(model, INITIAL_UI);

  expect(lines[0]).toContain("reconnecting 2.1s try 1");
  expect(lines[2]).toBe("~".repeat(80));
  expect(lines.join("\n")).toContain("What is shown is old");
});

test("after a failover that resumed, rows and selection are as they were", () => {
  const model = sampleModel();
  const ui = pressed(model, "2", "down", "down");
  reduce(model, { kind: "lost", reason: "gone", retryInMillis: 0 }, NOW);
  reduce(model, attached(true), NOW);

  expect(model.jobs.size).toBe(4);
  expect(draw(model, ui).some((line) => line.startsWith(" > 01j9xk4tcccc"))).toBe(true);
});

test("text from outside cannot move the cursor", () => {
  const model = sampleModel();
  const job = [...model.jobs.values()][0];
  if (job === undefined) throw new Error("the sample has jobs");
  const spec = job.spec === undefined ? undefined : { ...job.spec, name: "\u001b[2Jgone\u202e" };
  model.jobs.set(job.id, { ...job, spec });

  const text = draw(model, pressed(model, "2")).join("\n");

  expect(text).toContain("␛[2Jgone");
  expect(text).not.toContain("\u001b");
});
