import { nlError } from "../../engine/lib/error-code.ts";
import { command } from "../command.ts";
import { readClusterFile } from "../local/cluster-file.ts";
import { dataRoot } from "../local/data-root.ts";
import { stopCluster } from "../local/stop-cluster.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import { EXIT_FAILED } from "../report-error.ts";

const GRACE_MILLIS = 10_000;

export const down = command({
  name: "down",
  summary: "Stop the local cluster; its data stays and nl up resumes it",
  examples: ["nl down", "nl down n2", "nl down --now"],
  args: { now: { type: "boolean", description: "Give running jobs no time to end" } },
  positionals: { name: "NODE", min: 0, max: 1 },
  async run(invocation, world) {
    const root = dataRoot(invocation.text("data"), world.env);
    const cluster = orFail(readClusterFile(root));
    const [only] = invocation.positionals;
    if (cluster === null) {
      world.err("no local cluster here: nothing to stop\n");
      return 0;
    }
    if (only !== undefined && !cluster.nodes.some(({ id }) => id === only)) {
      const known = cluster.nodes.map(({ id }) => id).join(", ");
      throw new NlFailure(nlError("not_found", `no node "${only}"`, `there are: ${known}`));
    }
    const stopped = await stopCluster(root, {
      graceMillis: invocation.isSet("now") ? 0 : GRACE_MILLIS,
      ...(only === undefined ? {} : { only }),
    });
    const names =
      stopped.nodes.length === 0 ? "nothing was running" : `stopped ${stopped.nodes.join(" ")}`;
    world.err(`${names}; data stays, nl up resumes\n`);
    for (const id of stopped.stuck) world.err(`error: a process of ${id} did not end\n`);
    return stopped.stuck.length === 0 ? 0 : EXIT_FAILED;
  },
});
