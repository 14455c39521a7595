import type { Member } from "../../engine/client/client.ts";
import { command } from "../command.ts";
import { orFail } from "../nl-failure.ts";
import { formatOf, type Printing, printRows } from "../print.ts";
import { withClient } from "../with-client.ts";

export const clusterMembers = command({
  name: "members",
  summary: "Who is in the cluster, with which vote, and how far each is behind",
  examples: ["nl cluster members", "nl cluster members -o wide"],
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const listed = orFail(await client.listMembers());
      printRows(listed.members, PRINTING, { invocation, world });
      const format = formatOf(invocation);
      if (format !== "table" && format !== "wide") return 0;
      for (const { nodeId, peerId, removedAt } of listed.former) {
        const at = new Date(removedAt).toISOString().slice(0, 16).replace("T", " ");
        world.err(`  ${nodeId} (peer ${peerId}) left at ${at}\n`);
      }
      if (listed.joint) world.err("! the voters are being changed: both halves must agree\n");
      const voters = listed.members.filter(({ role }) => role === "voter" || role === "leader");
      world.err(`${toleranceOf(voters.length)}\n`);
      return 0;
    }),
});

/** What a cluster of so many voters survives, and what an even number is worth. */
export function toleranceOf(voters: number): string {
  const tolerates = Math.floor((voters - 1) / 2);
  const may = `${voters} ${voters === 1 ? "voter" : "voters"}: ${tolerates === 0 ? "none" : tolerates} may fail`;
  if (voters > 1 && voters % 2 === 0) {
    return `! ${may}, no more than with ${voters - 1}: add one (nl cluster join)`;
  }
  return tolerates === 0 ? `! ${may}: add two (nl cluster join)` : may;
}

/** The role it has, and what it shall be where that differs. */
function roleOf({ role, seat, liveness }: Member): string {
  if (seat === "leaving") return `${role}, leaving`;
  if (seat === "voter" && (role === "learner" || role === "joining")) return `${role}, to vote`;
  return liveness === "lost" ? `${role}, lost` : role;
}

const known = (member: Member, value: number): string => (member.known ? String(value) : "-");

const PRINTING: Printing<Member> = {
  columns: [
    { title: "NODE", value: ({ nodeId }) => nodeId },
    { title: "PEER", value: ({ peerId }) => (peerId === 0 ? "-" : String(peerId)) },
    { title: "ROLE", value: roleOf },
    { title: "MATCH", value: (member) => known(member, member.matchIndex), alignRight: true },
    { title: "LAG", value: (member) => known(member, member.lag), alignRight: true },
    { title: "ADDRESS", value: ({ rpcAddress }) => rpcAddress },
    { title: "WEB", value: ({ httpAddress }) => httpAddress, isWide: true },
    { title: "STORE", value: ({ storeId }) => storeId, isWide: true },
  ],
  data: (member) => member,
  name: ({ nodeId }) => nodeId,
};
