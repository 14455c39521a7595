import type { ListMembersResponse } from "../../engine/client/client.ts";
import { awaitMembers } from "../cluster/await-members.ts";
import { command } from "../command.ts";
import { durationFlag } from "../duration-flag.ts";
import { orFail } from "../nl-failure.ts";
import { withClient } from "../with-client.ts";

export const clusterPromote = command({
  name: "promote",
  summary: "Let a learner vote, once it has caught up",
  examples: ["nl cluster promote n4", "nl cluster promote n4 --timeout 30s"],
  args: {
    timeout: {
      type: "string",
      valueHint: "TIME",
      description: "Stop waiting after this long, exit 9",
    },
  },
  positionals: { name: "NODE", min: 1, max: 1 },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const nodeId = invocation.first();
      orFail(await client.promoteMember(nodeId));
      const timeout = invocation.text("timeout");
      const timeoutMillis = timeout === null ? null : durationFlag("timeout", timeout);
      await awaitMembers({ client, world, timeoutMillis }, (listed) => keptFrom(listed, nodeId));
      world.err(`${nodeId} votes\n`);
      return 0;
    }),
});

/** What keeps it from voting; null once it votes, or is gone. */
function keptFrom({ members }: ListMembersResponse, nodeId: string): string | null {
  const member = members.find((one) => one.nodeId === nodeId);
  if (member === undefined || member.role === "voter" || member.role === "leader") return null;
  if (!member.active) return `${nodeId} does not answer, so it cannot vote`;
  return member.lag === 0 ? `${nodeId} has caught up` : `${nodeId} is ${member.lag} entries behind`;
}
