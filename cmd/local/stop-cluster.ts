import { orFail } from "../nl-failure.ts";
import { readClusterFile } from "./cluster-file.ts";
import { agentPid, stopAgent, stopTaskHost } from "./node-process.ts";

const AGENT_LIMIT_MILLIS = 8_000;

export type Stopped = {
  /** Nodes that ran and were stopped. */
  readonly nodes: readonly string[];
  /** Nodes of which some process could not be ended. */
  readonly stuck: readonly string[];
};

/**
 * Ends every process `nl up` started: the agents hand over and stop, then the task hosts end their
 * tasks. Data stays. With `only`, that one node.
 */
export async function stopCluster(
  root: string,
  options: { readonly graceMillis: number; readonly only?: string },
): Promise<Stopped> {
  const cluster = orFail(readClusterFile(root));
  const nodes = (cluster?.nodes ?? []).filter(
    ({ id }) => options.only === undefined || id === options.only,
  );
  const running = nodes.flatMap(({ id }) => {
    const pid = agentPid(root, id);
    return pid === null ? [] : [{ id, pid }];
  });
  const agents = await Promise.all(
    running.map(async ({ id, pid }) => ((await stopAgent(pid, AGENT_LIMIT_MILLIS)) ? null : id)),
  );
  const hosts = await Promise.all(
    nodes.map(async ({ id }) => ((await stopTaskHost(root, id, options.graceMillis)) ? null : id)),
  );
  const stuck = [...agents, ...hosts].filter((id) => id !== null);
  return { nodes: running.map(({ id }) => id), stuck: [...new Set(stuck)] };
}
