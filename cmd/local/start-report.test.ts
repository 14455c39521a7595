import { expect, test } from "bun:test";
import { counted, mergedWarnings, whyEnded } from "./start-report.ts";

test("a node that refused to start is quoted with its own sentence and hint", () => {
  const said = [
    '{"message":"serving"}',
    "error: the log is gone",
    "hint: keep it",
    "code: refused",
  ];

  expect(whyEnded(said)).toBe("the log is gone (keep it)");
});

test("a node that ended without a refusal is quoted with its last lines", () => {
  const said = Array.from({ length: 12 }, (_, at) => `line ${at}`);

  expect(whyEnded(said)).toStartWith("its last lines:\n    line 2\n");
  expect(whyEnded([])).toBe("it said nothing");
});

test("what a node said cannot move the cursor", () => {
  expect(whyEnded(["error: \u001b[2J gone"])).not.toContain("\u001b");
});

test("a warning that every node has is said once, others with their nodes", () => {
  const merged = mergedWarnings([
    { nodeId: "n1", warnings: ["no Docker", "damaged"] },
    { nodeId: "n2", warnings: ["no Docker"] },
  ]);

  expect(merged).toEqual(["no Docker", "n1: damaged"]);
});

test("counts have a unit that fits", () => {
  expect([counted(1, "job"), counted(0, "job"), counted(4812, "job")]).toEqual([
    "1 job",
    "0 jobs",
    "4,812 jobs",
  ]);
});
