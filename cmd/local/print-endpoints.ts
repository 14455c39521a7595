import { programName } from "../program-name.ts";
import type { World } from "../world.ts";
import type { Up } from "./bring-up.ts";
import { addressOf, type LocalCluster } from "./cluster-file.ts";
import { forPeople } from "./data-root.ts";

type Printing = {
  readonly root: string;
  /** The directory was named on the command line: the next commands must find it as well. */
  readonly isNamed: boolean;
  readonly cluster: LocalCluster;
  readonly up: Up;
  readonly world: World;
};

/** Where the cluster is and what to try next: on stderr, as everything but a job's own output. */
export function printEndpoints(printing: Printing): void {
  const { root, cluster, up, world } = printing;
  const { nodes } = cluster;
  const ids = nodes.length === 1 ? nodes[0]?.id : `{${nodes.map(({ id }) => id).join(",")}}`;
  const without = up.missing.length === 0 ? "" : `, without ${up.missing.join(", ")}`;
  world.err(`
Cluster is up${without}.
  rpc    ${nodes.map(addressOf).join(" ")}
  logs   ${forPeople(root, world.env)}/${ids}/nl.log

Try
${tries(printing).join("\n")}
`);
}

function tries({ root, isNamed, cluster, up, world }: Printing): readonly string[] {
  const nl = programName(world.env);
  const rows: [string, string][] = [
    [`${nl} run -- echo hello`, "run a job"],
    [`${nl} top`, "watch it live"],
  ];
  if (isNamed) rows.unshift([`export NL_DATA_DIR=${root}`, "where the commands below look"]);
  if (cluster.nodes.length > 1) {
    rows.push([`${nl} node kill ${up.leaderId}`, "kill the leader, watch another take over"]);
  }
  rows.push([`${nl} down`, `stop (data stays; ${nl} up resumes)`]);
  const width = Math.max(30, ...rows.map(([words]) => words.length));
  return rows.map(([words, what]) => `  ${words.padEnd(width)}   ${what}`);
}
