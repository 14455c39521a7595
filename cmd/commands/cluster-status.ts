import type { ClusterStatus, PeerStatus } from "../../engine/client/client.ts";
import { command } from "../command.ts";
import { orFail } from "../nl-failure.ts";
import { formatOf, type Printing, printRecord, printRows } from "../print.ts";
import { withClient } from "../with-client.ts";

export const clusterStatus = command({
  name: "status",
  summary: "Who leads, how far the log is, how far every member is behind",
  examples: ["nl cluster status", "nl cluster status -o json"],
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const status = orFail(await client.getStatus());
      printRecord(recordOf(status), { invocation, world });
      const format = formatOf(invocation);
      if (format === "table" || format === "wide") {
        world.out("\n");
        printRows(status.peers, peerPrinting, { invocation, world });
      }
      for (const warning of status.warnings) world.err(`! ${warning}\n`);
      return 0;
    }),
});

const recordOf = (status: ClusterStatus) => ({
  fields: [
    ["cluster", `${status.clusterName} (${status.clusterId})`],
    ["leader", status.leaderId === "" ? "none" : status.leaderId],
    ["term", String(status.term)],
    [
      "log",
      `last ${status.lastIndex}, commit ${status.commitIndex}, applied ${status.appliedIndex}`,
    ],
    ["answered by", `${status.nodeId} (${status.role}), nl ${status.version}`],
    ["state hash", `${status.stateHash} at ${status.appliedIndex}`],
  ] as const,
  data: { api: "v1", ...status },
  name: status.leaderId,
});

const peerPrinting: Printing<PeerStatus> = {
  columns: [
    { title: "NODE", value: ({ nodeId }) => nodeId },
    { title: "ROLE", value: ({ role }) => role },
    {
      title: "MATCH",
      value: ({ known, matchIndex }) => (known ? String(matchIndex) : "-"),
      alignRight: true,
    },
    { title: "LAG", value: ({ known, lag }) => (known ? String(lag) : "-"), alignRight: true },
    {
      title: "SENT",
      value: ({ known, inflight }) => (known ? String(inflight) : "-"),
      alignRight: true,
    },
    { title: "ADDRESS", value: ({ address }) => address },
  ],
  data: (peer) => peer,
  name: ({ nodeId }) => nodeId,
};
