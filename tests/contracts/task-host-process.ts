import type { DriverChoice } from "../../engine/lib/job-spec.ts";
import { runTaskHost } from "../../engine/task-host/run-task-host.ts";

/** A task host as a process of its own, for tests: `DIR DRIVER IDLE_MILLIS`. */
const [directory = "", driver = "plain", idleMillis = "60000"] = process.argv.slice(2);

process.exit(
  await runTaskHost({
    directory,
    nodeId: "n1",
    driver: driver as DriverChoice,
    plainAllowed: true,
    minFreeBytes: 0,
    version: "test",
    idleMillis: Number(idleMillis),
  }),
);
