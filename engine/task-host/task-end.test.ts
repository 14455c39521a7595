import { expect, test } from "bun:test";
import { SPEC_DEFAULTS } from "../lib/job-spec.ts";
import { endingOf, outcomeOf } from "./task-end.ts";

const spec = { ...SPEC_DEFAULTS, name: "", command: ["x"], image: "", env: {}, labels: {} };

const exit = { exitCode: 0, signal: "", oomKilled: false, peakMemoryBytes: 1, lostDetail: "" };
const killed = { ...exit, exitCode: 137, signal: "SIGKILL" };

test.each([
  ["its own code", { ...exit, exitCode: 3 }, "exited"],
  ["its own signal", killed, "signalled"],
  ["the kernel's mark", { ...killed, oomKilled: true }, "oom-killed"],
  ["nobody's word", { ...exit, exitCode: null, lostDetail: "gone" }, "agent-fault"],
])("a task that ended by %s is told as such", (_what, how, end) => {
  expect<string>(outcomeOf(how, null, spec).end).toBe(end);
});

test("a task that nl ended is told by nl's reason, with the code it left", () => {
  const outcome = outcomeOf({ ...exit, exitCode: 3 }, endingOf("cancelled"), spec);

  expect(outcome).toMatchObject({ end: "cancelled", exitCode: 3 });
});

test("a task that was killed for its memory is told its limit and its peak", () => {
  const peakMemoryBytes = 300 * 1024 * 1024;

  const { detail } = outcomeOf({ ...killed, oomKilled: true, peakMemoryBytes }, null, spec);

  expect(detail).toBe("it needed more than its 256 MiB (peak 300 MiB)");
});
