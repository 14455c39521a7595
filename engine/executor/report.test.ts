import { expect, test } from "bun:test";
import type { AttemptId, Index, NodeId } from "../lib/ids.ts";
import type { Attempt } from "../state/cluster-state.ts";
import { taskReport } from "./report.ts";
import { taskStatus } from "./testing/fake-task-host.ts";

const NODE = "n1" as NodeId;
const ID = "0123456789ab.1" as AttemptId;

test("S12: a report stays small, whatever a driver had to say", () => {
  const attempt = { id: ID, fence: 7 as Index } as Attempt;
  const said = "the daemon says no; ".repeat(100_000);
  const task = { ...taskStatus(ID, "exited"), end: "not-started", detail: said } as const;

  const { detail } = taskReport(NODE, attempt, task);

  expect(detail.length).toBeLessThanOrEqual(1_001);
  expect(detail).toStartWith("the daemon says no; ");
  expect(detail).toEndWith("…");
});
