import { expect, test } from "bun:test";
import { endingOf, outcomeOf } from "./task-end.ts";

const exit = { exitCode: 0, signal: "", oomKilled: false, peakMemoryBytes: 1, lostDetail: "" };
const killed = { ...exit, exitCode: 137, signal: "SIGKILL" };

test.each([
  ["its own code", { ...exit, exitCode: 3 }, "exited"],
  ["its own signal", killed, "signalled"],
  ["the kernel's mark", { ...killed, oomKilled: true }, "oom-killed"],
  ["nobody's word", { ...exit, exitCode: null, lostDetail: "gone" }, "agent-fault"],
])("a task that ended by %s is told as such", (_what, how, end) => {
  expect<string>(outcomeOf(how, null).end).toBe(end);
});

test("a task that nl ended is told by nl's reason, with the code it left", () => {
  const outcome = outcomeOf({ ...exit, exitCode: 3 }, endingOf("cancelled"));

  expect(outcome).toMatchObject({ end: "cancelled", exitCode: 3 });
});
