import { expect, test } from "bun:test";
import { servedBy } from "./process-scan.ts";

const SOURCE = ["/opt/bun", "--config=/x/bunfig.toml", "--no-env-file", "/x/cmd/nl.ts"];

test("knows the agents and task hosts of a cluster's directory by their command lines", () => {
  expect(
    servedBy([...SOURCE, "agent", "--dir", "/d/dev/n1", "--driver", "auto"], "/d/dev"),
  ).toEqual({ kind: "agent", nodeId: "n1" });
  expect(servedBy([...SOURCE, "task-host", "--dir", "/d/dev/n2/tasks"], "/d/dev")).toEqual({
    kind: "task-host",
    nodeId: "n2",
  });
  expect(servedBy(["/usr/bin/nl", "server", "--roles", "server", "--dir", "/d/n3"], "/d")).toEqual({
    kind: "agent",
    nodeId: "n3",
  });
});

test.each([
  [["/usr/bin/nl", "agent", "--dir", "/d/other/n1"], "of another cluster"],
  [["/usr/bin/nl", "agent", "--dir", "/d/dev"], "of the directory itself"],
  [["/usr/bin/nl", "agent", "--ephemeral"], "without a directory"],
  [["/usr/bin/nl", "run", "--", "agent", "--dir", "/d/dev/n1"], "of a job that looks like one"],
  [["vim", "nl.ts", "--dir", "/d/dev/n1"], "of another program"],
  [[], "that is gone"],
])("leaves %p alone: a process %s", (words) => {
  expect(servedBy(words, "/d/dev")).toBeNull();
});
