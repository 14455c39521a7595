import { command } from "../command.ts";
import { UsageError } from "../usage-error.ts";
import { withClient } from "../with-client.ts";

export const top = command({
  name: "top",
  summary: "Watch the cluster live: leader, log, jobs; drain, transfer, cancel",
  examples: ["nl top", "nl top --addr 127.0.0.1:7172"],
  async run(invocation, world) {
    if (!(world.outIsTerminal && world.inIsTerminal)) {
      throw new UsageError("nl top needs a terminal", "use: nl status, or nl ps -o jsonl");
    }
    return withClient({ invocation, world }, async (client) => {
      const { runTop } = await import("../../tui/run-top.tsx");
      return runTop(client);
    });
  },
});
