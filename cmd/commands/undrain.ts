import { command } from "../command.ts";
import { orFail } from "../nl-failure.ts";
import { withClient } from "../with-client.ts";

export const undrain = command({
  name: "undrain",
  summary: "Undo a drain: the node takes work again",
  examples: ["nl undrain n3"],
  positionals: { name: "NODE", min: 1, max: 1 },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const nodeId = invocation.first();
      orFail(await client.undrainNode(nodeId));
      world.err(`${nodeId} takes work again\n`);
      return 0;
    }),
});
