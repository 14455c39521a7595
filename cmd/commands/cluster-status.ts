import type { Client, ClusterStatus, PeerStatus } from "../../engine/client/client.ts";
import { formatLatency } from "../../engine/lib/format-duration.ts";
import { command } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { orFail } from "../nl-failure.ts";
import { formatOf, type Printing, printRecord, printRows } from "../print.ts";
import { withClient } from "../with-client.ts";
import type { World } from "../world.ts";

export const clusterStatus = command({
  name: "status",
  summary: "Who leads, how far the log is, how far every member is behind",
  examples: ["nl cluster status", "nl cluster status -o wide", "nl cluster status -o json"],
  run: (invocation, world) =>
    withClient({ invocation, world }, (client) => show(client, { invocation, world })),
});

async function show(client: Client, asked: Asked): Promise<number> {
  const status = orFail(await client.getStatus());
  const format = formatOf(asked.invocation);
  printRecord(recordOf(status, format === "wide"), asked);
  if (format === "table" || format === "wide") {
    asked.world.out("\n");
    printRows(status.peers, peerPrinting, asked);
  }
  for (const warning of status.warnings) asked.world.err(`! ${warning}\n`);
  return 0;
}

type Asked = { readonly invocation: Invocation; readonly world: World };

const recordOf = (status: ClusterStatus, isWide: boolean) => ({
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
    ...(isWide ? ownFields(status) : []),
  ] as const,
  data: { api: "v1", ...status },
  name: status.leaderId,
});

/** Of the node that answered: its log, its vote, and how long things take there. */
const ownFields = (status: ClusterStatus): readonly (readonly [string, string])[] => [
  [
    "kept log",
    `first ${status.firstIndex}, durable ${status.durableIndex}, snapshot ${status.snapshotIndex}` +
      `, uncommitted ${status.uncommittedBytes} B`,
  ],
  ["voted for", status.votedFor === "" ? "nobody" : status.votedFor],
  ...(status.transferee === "" ? [] : ([["handing over to", status.transferee]] as const)),
  ["log write", latencyText(status.logWrite)],
  ["commit", latencyText(status.commit)],
  ["apply", latencyText(status.apply)],
  ["loop lag", latencyText(status.loopLag)],
];

const latencyText = (latency: ClusterStatus["commit"]): string =>
  latency === undefined || latency.count === 0
    ? "-"
    : `p50 ${formatLatency(latency.p50Micros)}, p99 ${formatLatency(latency.p99Micros)}` +
      `, max ${formatLatency(latency.maxMicros)}`;

/** `p50/p99`. */
const shortLatency = (latency: PeerStatus["heartbeat"]): string =>
  latency === undefined || latency.count === 0
    ? "-"
    : `${formatLatency(latency.p50Micros)}/${formatLatency(latency.p99Micros)}`;

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
    { title: "HEARTBEAT", value: ({ heartbeat }) => shortLatency(heartbeat), alignRight: true },
    {
      title: "PROGRESS",
      value: ({ progress }) => (progress === "" ? "-" : progress),
      isWide: true,
    },
    { title: "NEXT", value: ({ nextIndex }) => String(nextIndex), isWide: true, alignRight: true },
    {
      title: "SENT B",
      value: ({ inflightBytes }) => String(inflightBytes),
      isWide: true,
      alignRight: true,
    },
    {
      title: "APPLY LAG",
      value: ({ applyLag }) => String(applyLag),
      isWide: true,
      alignRight: true,
    },
    { title: "SESSION", value: ({ session }) => String(session), isWide: true, alignRight: true },
    { title: "ACTIVE", value: ({ active }) => (active ? "yes" : "no"), isWide: true },
    { title: "ADDRESS", value: ({ address }) => address },
  ],
  data: (peer) => peer,
  name: ({ nodeId }) => nodeId,
};
