import { nlError } from "../../engine/lib/error-code.ts";
import { command } from "../command.ts";
import { dataRoot } from "../local/data-root.ts";
import { requireLocalNode } from "../local/local-node.ts";
import { agentPid, signal } from "../local/node-process.ts";
import { gone } from "../local/process-file.ts";
import { NlFailure } from "../nl-failure.ts";

export const nodeKill = command({
  name: "kill",
  summary: "Kill a node of the local cluster (SIGKILL), to watch the others take over",
  examples: ["nl node kill n2", "nl node start n2"],
  positionals: { name: "NODE", min: 1, max: 1 },
  async run(invocation, world) {
    const root = dataRoot(invocation.text("data"), world.env);
    const { id } = requireLocalNode(root, invocation.first());
    const pid = agentPid(root, id);
    if (pid === null) {
      throw new NlFailure(
        nlError("wrong_state", `${id} is not running`, `start it: nl node start ${id}`),
      );
    }
    signal(pid, "SIGKILL");
    await gone(pid, 5_000);
    world.err(`killed ${id} (pid ${pid}); its tasks go on. Start it again: nl node start ${id}\n`);
    return 0;
  },
});
