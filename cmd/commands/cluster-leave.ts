import type { ListMembersResponse } from "../../engine/client/client.ts";
import { awaitMembers } from "../cluster/await-members.ts";
import { command } from "../command.ts";
import { durationFlag } from "../duration-flag.ts";
import { orFail } from "../nl-failure.ts";
import { withClient } from "../with-client.ts";
import { toleranceOf } from "./cluster-members.ts";

export const clusterLeave = command({
  name: "leave",
  summary: "Remove a node for good: it drains, loses its vote, and is forgotten",
  examples: [
    "nl cluster leave n3",
    "nl cluster leave n3 --deadline 5m",
    "nl cluster leave n3 --detach",
  ],
  args: {
    deadline: {
      type: "string",
      valueHint: "TIME",
      description: "Work that runs there may finish until then (default 1h)",
    },
    detach: { type: "boolean", alias: ["d"], description: "Record the intent and return" },
    timeout: {
      type: "string",
      valueHint: "TIME",
      description: "Stop watching after this long, exit 9",
    },
  },
  positionals: { name: "NODE", min: 1, max: 1 },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const nodeId = invocation.first();
      const deadlineMillis = durationFlag("deadline", invocation.text("deadline") ?? "1h");
      orFail(await client.removeMember({ nodeId, deadlineMillis }));
      if (invocation.isSet("detach")) {
        world.err(`${nodeId} is leaving; watch it: nl cluster members\n`);
        return 0;
      }
      const timeout = invocation.text("timeout");
      const timeoutMillis = timeout === null ? null : durationFlag("timeout", timeout);
      let voters = 0;
      await awaitMembers({ client, world, timeoutMillis }, (listed) => {
        voters = listed.members.filter(({ role }) => role === "voter" || role === "leader").length;
        return leavingOf(listed, nodeId);
      });
      world.err(`${nodeId} has left the cluster, and its name does not come back\n`);
      world.err(`${toleranceOf(voters)}\n`);
      return 0;
    }),
});

/** What keeps it; null once it is gone. */
function leavingOf({ members }: ListMembersResponse, nodeId: string): string | null {
  const member = members.find((one) => one.nodeId === nodeId);
  if (member === undefined) return null;
  if (member.running > 0) {
    const tasks = member.running === 1 ? "1 task runs" : `${member.running} tasks run`;
    return `${tasks} on ${nodeId}`;
  }
  return member.role === "leader" ? `${nodeId} hands leadership over` : `${nodeId} loses its vote`;
}
