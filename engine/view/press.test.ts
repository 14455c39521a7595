import { expect, test } from "bun:test";
import { BINDINGS } from "./keymap.ts";
import { type Model, reduce } from "./model.ts";
import { paste, press } from "./press.ts";
import { NOW, sampleModel } from "./testing/sample-model.ts";
import { type Effect, INITIAL_UI, type UiState } from "./ui-state.ts";

function run(
  model: Model,
  ...keys: readonly string[]
): {
  readonly ui: UiState;
  readonly effects: readonly Effect[];
} {
  let ui = INITIAL_UI;
  const effects: Effect[] = [];
  for (const key of keys) {
    const pressed = press(ui, key, model);
    ui = pressed.ui;
    effects.push(...pressed.effects);
  }
  return { ui, effects };
}

test("no two bindings meet in one view", () => {
  for (const view of ["cluster", "jobs", "job"] as const) {
    const keys = BINDINGS.filter(({ views }) => views.includes(view)).flatMap((one) => one.keys);

    expect(new Set(keys).size).toBe(keys.length);
  }
});

test("a drain is confirmed: enter on the untouched dialog does nothing", () => {
  expect(run(sampleModel(), "down", "d", "return").effects).toEqual([]);
});

test.each([
  [["down", "d", "tab", "return"], { kind: "drain", nodeId: "n2" }],
  [["down", "d", "y"], { kind: "drain", nodeId: "n2" }],
  [["down", "u"], { kind: "undrain", nodeId: "n2" }],
  [["down", "t", "y"], { kind: "transfer", nodeId: "n2" }],
  [["t", "y"], { kind: "transfer", nodeId: "" }],
  [["2", "x", "y"], { kind: "cancel", jobId: "01j9xk5aaaaa" }],
  [["R"], { kind: "reconnect" }],
  [["q"], { kind: "quit" }],
  [["2", "/", "q", "ctrl-c"], { kind: "quit" }],
] as const)("the keys %p ask for %p", (keys, effect) => {
  expect(run(sampleModel(), ...keys).effects).toEqual([effect]);
});

test("a job that is over is not cancelled: the message says how it ended", () => {
  const { ui, effects } = run(sampleModel(), "2", "down", "down", "x");

  expect(effects).toEqual([]);
  expect(ui.message?.text).toBe("01j9xk4tcccc is already failed");
});

test("actions wait while nobody answers", () => {
  const model = sampleModel();
  reduce(model, { kind: "lost", reason: "gone", retryInMillis: 0 }, NOW);

  const { ui } = run(model, "d");

  expect(ui.dialog).toBeNull();
  expect(ui.message?.text).toBe("not connected: actions wait");
});

test("a typed filter runs no keys, and a wrong one says what is meant", () => {
  const { ui } = run(sampleModel(), "/", ..."state:faild", "return");

  expect(ui.draft).toBe("state:faild");
  expect(ui.message?.text).toBe('unknown state "faild": did you mean "failed"?');
});

test("pasted text goes into the filter, or nowhere", () => {
  const typing = run(sampleModel(), "/").ui;

  expect(paste(typing, "node:n1\nq").draft).toBe("node:n1 q");
  expect(paste(INITIAL_UI, "qqq")).toBe(INITIAL_UI);
});

test("the selection follows the job when rows move", () => {
  const model = sampleModel();
  const { ui } = run(model, "2", "down");
  const first = [...model.jobs.values()][0];
  if (first === undefined) throw new Error("the sample has jobs");
  model.jobs.set("01j9zzzzzzzz", { ...first, id: "01j9zzzzzzzz", submittedIndex: 99_999 });

  expect(press(ui, "x", model).ui.dialog?.title).toBe("Cancel 01j9xk58bbbb?");
});
