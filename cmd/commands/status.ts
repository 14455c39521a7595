import type { ClusterStatus } from "../../engine/client/client.ts";
import { formatDuration } from "../../engine/lib/format-duration.ts";
import { command } from "../command.ts";
import { addressesNamed } from "../connect.ts";
import type { Invocation } from "../invocation.ts";
import { readClusterFile } from "../local/cluster-file.ts";
import { dataRoot, forPeople } from "../local/data-root.ts";
import { agentPid } from "../local/node-process.ts";
import { orFail } from "../nl-failure.ts";
import { formatOf, printRecord } from "../print.ts";
import { programName } from "../program-name.ts";
import { EXIT_FAILED } from "../report-error.ts";
import { withClient } from "../with-client.ts";
import type { World } from "../world.ts";

export const status = command({
  name: "status",
  summary: "One screen: cluster, leader, nodes, jobs by state, and what to do next",
  examples: ["nl status", "nl status -o json"],
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const format = formatOf(invocation);
      const found = orFail(await client.getStatus());
      const isLocal = !addressesNamed(invocation, world);
      const root = dataRoot(invocation.text("data"), world.env);
      const down = downNodes(found, isLocal ? endedNodes(root) : []);
      const isHealthy = found.leaderId !== "" && down.length === 0;
      const where = isLocal ? ([["data", forPeople(root, world.env)]] as const) : [];
      printRecord(
        {
          fields: [...fieldsOf(found, down.length), ...where],
          data: { api: "v1", ...found },
          name: found.clusterName,
        },
        { invocation, world },
      );
      if (format === "table" || format === "wide") sayMore({ found, down, invocation, world });
      return isHealthy ? 0 : EXIT_FAILED;
    }),
});

/** Of the local cluster the processes are there to see: the leader notices an end a little later. */
function endedNodes(root: string): readonly string[] {
  const cluster = readClusterFile(root);
  const nodes = cluster.ok ? (cluster.value?.nodes ?? []) : [];
  return nodes.filter(({ id }) => agentPid(root, id) === null).map(({ id }) => id);
}

function downNodes(found: ClusterStatus, ended: readonly string[]): readonly string[] {
  return found.peers
    .filter(({ role, nodeId }) => role === "down" || ended.includes(nodeId))
    .map(({ nodeId }) => nodeId)
    .sort();
}

type More = {
  readonly found: ClusterStatus;
  readonly down: readonly string[];
  readonly invocation: Invocation;
  readonly world: World;
};

function sayMore({ found, down, world }: More): void {
  const nl = programName(world.env);
  for (const warning of found.warnings) world.err(`! ${warning}\n`);
  for (const id of down) world.err(`! ${id} is down: ${nl} node start ${id}\n`);
  if (found.leaderId === "") world.err("! no leader: reads with --stale work, writes wait\n");
  const next =
    down.length === 0 ? `${nl} run -- echo hello, ${nl} top` : `${nl} up starts what is missing`;
  world.err(`next: ${next}\n`);
}

function fieldsOf(found: ClusterStatus, down: number) {
  const all = found.peers.length;
  return [
    ["cluster", `${found.clusterName}, up ${formatDuration(found.uptimeMillis)}`],
    ["leader", found.leaderId === "" ? "none" : `${found.leaderId}, term ${found.term}`],
    ["nodes", `${all - down} of ${all} up`],
    ["log", `commit ${found.commitIndex}, applied ${found.appliedIndex}`],
    ["jobs", jobsOf(found)],
  ] as const;
}

function jobsOf({ counts }: ClusterStatus): string {
  if (counts === undefined) return "unknown";
  const waiting = counts.pending + counts.assigned;
  const { running, completed, failed, cancelled } = counts;
  return `${running} running, ${waiting} waiting, ${completed} completed, ${failed} failed, ${cancelled} cancelled`;
}
