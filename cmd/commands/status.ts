import type { ClusterStatus } from "../../engine/client/client.ts";
import { formatDuration } from "../../engine/lib/format-duration.ts";
import { command } from "../command.ts";
import { dataRoot, forPeople } from "../local/data-root.ts";
import { orFail } from "../nl-failure.ts";
import { formatOf, printRecord } from "../print.ts";
import { EXIT_FAILED } from "../report-error.ts";
import { withClient } from "../with-client.ts";

export const status = command({
  name: "status",
  summary: "One screen: cluster, leader, nodes, jobs by state, and what to do next",
  examples: ["nl status", "nl status -o json"],
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const found = orFail(await client.getStatus());
      const up = found.peers.filter(({ role }) => role !== "down").length;
      const isHealthy = found.leaderId !== "" && up === found.peers.length;
      const root = forPeople(dataRoot(invocation.text("data"), world.env), world.env);
      printRecord(
        {
          fields: fieldsOf(found, up, root),
          data: { api: "v1", ...found },
          name: found.clusterName,
        },
        { invocation, world },
      );
      if (formatOf(invocation) === "table") {
        for (const line of warningsOf(found)) world.err(`! ${line}\n`);
        world.err(
          isHealthy
            ? "next: nl run -- echo hello, nl top\n"
            : "next: nl up starts what is missing\n",
        );
      }
      return isHealthy ? 0 : EXIT_FAILED;
    }),
});

function warningsOf(found: ClusterStatus): readonly string[] {
  const down = found.peers.filter(({ role }) => role === "down");
  return [
    ...found.warnings,
    ...down.map(({ nodeId }) => `${nodeId} is down: nl node start ${nodeId}`),
  ];
}

function fieldsOf(found: ClusterStatus, up: number, root: string) {
  const { counts } = found;
  const jobs =
    counts === undefined
      ? "unknown"
      : `${counts.running} running, ${counts.pending + counts.assigned} waiting, ` +
        `${counts.completed} completed, ${counts.failed} failed, ${counts.cancelled} cancelled`;
  return [
    ["cluster", `${found.clusterName}, up ${formatDuration(found.uptimeMillis)}`],
    [
      "leader",
      found.leaderId === "" ? "none: writes wait" : `${found.leaderId}, term ${found.term}`,
    ],
    ["nodes", `${up} of ${found.peers.length} up`],
    ["log", `commit ${found.commitIndex}, applied ${found.appliedIndex}`],
    ["jobs", jobs],
    ["data", root],
  ] as const;
}
