import { nlError } from "../../engine/lib/error-code.ts";
import { command } from "../command.ts";
import { bringUp } from "../local/bring-up.ts";
import { dataRoot } from "../local/data-root.ts";
import { requireLocalNode } from "../local/local-node.ts";
import { agentPid } from "../local/node-process.ts";
import { withRootLock } from "../local/root-lock.ts";
import { NlFailure } from "../nl-failure.ts";
import { Steps } from "../steps.ts";

export const nodeStart = command({
  name: "start",
  summary: "Start a stopped node of the local cluster",
  examples: ["nl node start n2"],
  positionals: { name: "NODE", min: 1, max: 1 },
  async run(invocation, world) {
    const root = dataRoot(invocation.text("data"), world.env);
    const node = requireLocalNode(root, invocation.first());
    if (agentPid(root, node.id) !== null) {
      throw new NlFailure(
        nlError("wrong_state", `${node.id} is already running`, "see: nl status"),
      );
    }
    const { cluster, id: only } = node;
    const driver = cluster.driver ?? "auto";
    const steps = new Steps(world);
    await withRootLock(root, world, () =>
      bringUp({ root, cluster, only, isNew: false, driver, steps, world }),
    );
    return 0;
  },
});
