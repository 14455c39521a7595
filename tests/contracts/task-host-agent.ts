import type { AttemptId } from "../../engine/lib/ids.ts";
import { SPEC_DEFAULTS } from "../../engine/lib/job-spec.ts";
import { bootMillis } from "../../engine/task-host/boot-clock.ts";
import { TaskHostClient } from "../../engine/task-host/task-host-client.ts";

/**
 * An agent as a process of its own, to be killed: `DIR ATTEMPT SCRIPT`. Starts one task in a task
 * host that it starts itself, says `running` and then does nothing any more.
 */
const [directory = "", attemptId = "", script = ""] = process.argv.slice(2);
const hostScript = `${import.meta.dir}/task-host-process.ts`;
const client = new TaskHostClient({
  directory,
  command: [process.execPath, hostScript, directory, "process"],
  logger: { log: () => undefined },
});
const spec = { ...SPEC_DEFAULTS, name: "", image: "", env: {}, labels: {} };
const request = {
  attemptId: attemptId as AttemptId,
  fence: 1,
  clusterId: "testcluster",
  spec: { ...spec, command: ["sh", "-c", script] },
};

client.start((event) => {
  if (event.kind === "listed") {
    client.renewLease({
      sentAtBootMillis: bootMillis(),
      termAfterMillis: 15_000,
      killAfterMillis: 25_000,
    });
    client.startTask(request, () => undefined);
  }
  if (event.kind === "task" && event.task.phase === "running") console.log("running");
});
