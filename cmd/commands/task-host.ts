import { command } from "../command.ts";
import { DRIVERS } from "../local/driver-names.ts";
import { UsageError } from "../usage-error.ts";
import { VERSION } from "../version.ts";

export const taskHost = command({
  name: "task-host",
  summary: "Holds the tasks of one node (started by its agent)",
  examples: [],
  args: {
    dir: { type: "string", valueHint: "DIR", description: "Where tasks and their output are kept" },
    node: { type: "string", valueHint: "NODE", description: "The node it belongs to" },
    driver: { type: "string", valueHint: "NAME", description: "auto, docker, process or plain" },
    "min-free": { type: "string", valueHint: "BYTES", description: "Keep no output below this" },
    "allow-plain": { type: "boolean", description: "Jobs may run without a sandbox" },
  },
  hidden: true,
  async run(invocation) {
    const directory = invocation.text("dir");
    const nodeId = invocation.text("node");
    if (directory === null || nodeId === null) throw new UsageError("--dir and --node are needed");
    const driver = DRIVERS.find((known) => known === (invocation.text("driver") ?? "auto"));
    if (driver === undefined) throw new UsageError("unknown driver");
    const { runTaskHost } = await import("../../engine/task-host/run-task-host.ts");
    return runTaskHost({
      directory,
      nodeId,
      driver,
      minFreeBytes: invocation.integer("min-free", 0, Number.MAX_SAFE_INTEGER) ?? 0,
      plainAllowed: invocation.isSet("allow-plain"),
      version: VERSION,
    });
  },
});
