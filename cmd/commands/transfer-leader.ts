import { cleanLine } from "../../engine/lib/clean-text.ts";
import { command } from "../command.ts";
import { orFail } from "../nl-failure.ts";
import { withClient } from "../with-client.ts";

export const transferLeader = command({
  name: "transfer-leader",
  summary: "Hand leadership to another node; no write fails",
  examples: ["nl transfer-leader", "nl transfer-leader --to n2"],
  args: {
    to: {
      type: "string",
      valueHint: "NODE",
      description: "To this one (default: the most caught-up)",
    },
  },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const { leaderId, term } = orFail(await client.transferLeader(invocation.text("to") ?? ""));
      world.err(`${cleanLine(leaderId)} leads, term ${term}\n`);
      return 0;
    }),
});
