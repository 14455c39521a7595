import type { World } from "../world.ts";
import { addressOf, type LocalCluster } from "./cluster-file.ts";
import { forPeople } from "./data-root.ts";

/** Where the cluster is and what to try next: on stderr, as everything but a job's own output. */
export async function printEndpoints(
  root: string,
  cluster: LocalCluster,
  world: World,
): Promise<void> {
  const { nodes } = cluster;
  const ids = nodes.length === 1 ? nodes[0]?.id : `{${nodes.map(({ id }) => id).join(",")}}`;
  world.err(`
Cluster is up.
  rpc    ${nodes.map(addressOf).join(" ")}
  logs   ${forPeople(root, world.env)}/${ids}/nl.log

Try
  nl run -- echo hello               run a job
  nl top                             watch it live
  nl node kill ${nodes[0]?.id ?? "n1"}                    kill a node and watch the others take over
  nl down                            stop (data stays; nl up resumes)
`);
}
