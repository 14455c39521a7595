import { readClusterFile } from "./cluster-file.ts";
import { agentPid, signal, stopAgent, taskHostPid } from "./node-process.ts";
import { gone } from "./process-file.ts";
import { type NodeProcess, processesUnder } from "./process-scan.ts";

const AGENT_LIMIT_MILLIS = 8_000;
/** A task host that was asked a second time kills its tasks and ends within this. */
const HOST_LIMIT_MILLIS = 3_000;

export type Stopped = {
  /** Nodes that ran and were stopped. */
  readonly nodes: readonly string[];
  /** Nodes of which some process could not be ended. */
  readonly stuck: readonly string[];
};

type Stopping = {
  /** What tasks get between TERM and KILL, at most. */
  readonly graceMillis: number;
  /** Only these nodes; default all. */
  readonly only?: readonly string[];
  /** Processes that go on. */
  readonly except?: ReadonlySet<number>;
};

/**
 * Ends every process `nl up` started: the agents hand over and stop, then the task hosts end their
 * tasks. Data stays.
 */
export async function stopCluster(root: string, options: Stopping): Promise<Stopped> {
  // The task hosts come second: an agent that is about to stop may still be starting one.
  const agents = await stopAll(running(root, "agent", options), (pid) =>
    stopAgent(pid, AGENT_LIMIT_MILLIS),
  );
  const hosts = await stopAll(running(root, "task-host", options), (pid) =>
    stopTaskHost(pid, options.graceMillis),
  );
  const nodes = new Set([...agents, ...hosts].map(({ nodeId }) => nodeId));
  const stuck = new Set([...agents, ...hosts].filter(({ ok }) => !ok).map(({ nodeId }) => nodeId));
  return { nodes: [...nodes].sort(), stuck: [...stuck].sort() };
}

function stopAll(processes: readonly NodeProcess[], stop: (pid: number) => Promise<boolean>) {
  return Promise.all(processes.map(async ({ pid, nodeId }) => ({ nodeId, ok: await stop(pid) })));
}

function running(
  root: string,
  kind: NodeProcess["kind"],
  { only, except }: Stopping,
): readonly NodeProcess[] {
  const found = new Map<number, NodeProcess>();
  const cluster = readClusterFile(root);
  // A file that is damaged does not keep processes alive: they are found by themselves.
  for (const { id: nodeId } of cluster.ok ? (cluster.value?.nodes ?? []) : []) {
    const pid = kind === "agent" ? agentPid(root, nodeId) : taskHostPid(root, nodeId);
    if (pid !== null) found.set(pid, { pid, kind, nodeId });
  }
  for (const each of processesUnder(root)) if (each.kind === kind) found.set(each.pid, each);
  return [...found.values()].filter(
    ({ pid, nodeId }) => (only?.includes(nodeId) ?? true) && except?.has(pid) !== true,
  );
}

/** TERM, and a second one when the grace is over: then the host gives its tasks no more time. */
async function stopTaskHost(pid: number, graceMillis: number): Promise<boolean> {
  signal(pid, "SIGTERM");
  if (await gone(pid, graceMillis)) return true;
  signal(pid, "SIGTERM");
  if (await gone(pid, HOST_LIMIT_MILLIS)) return true;
  signal(pid, "SIGKILL");
  return gone(pid, HOST_LIMIT_MILLIS);
}
