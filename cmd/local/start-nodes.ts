import { existsSync } from "node:fs";
import { nlError } from "../../engine/lib/error-code.ts";
import { NlFailure } from "../nl-failure.ts";
import type { Steps } from "../steps.ts";
import { type LocalCluster, type LocalNode, nodeDirectory } from "./cluster-file.ts";
import { agentPid, logBytes, startAgent } from "./node-process.ts";
import { holderOf, isFree } from "./ports.ts";

export type Starting = {
  readonly root: string;
  readonly cluster: LocalCluster;
  readonly isNew: boolean;
  /** Start just this one, or refuse. */
  readonly only?: string;
  readonly driver: string;
  readonly steps: Steps;
};

export type StartedNode = {
  readonly node: LocalNode;
  /** The length its log had before: what it says from here on is about this start. */
  readonly logFrom: number;
};

/** Starts the nodes that do not run. Those that may not come back are named and left out. */
export async function startMissing(options: Starting): Promise<readonly StartedNode[]> {
  const { root, cluster, only, driver, steps } = options;
  const wanted = cluster.nodes.filter(({ id }) => only === undefined || id === only);
  const missing = wanted.filter(({ id }) => agentPid(root, id) === null);
  if (missing.length === 0) {
    steps.line(`  ✓ ${cluster.nodes.length} of ${cluster.nodes.length} nodes are already up`);
    return [];
  }
  const startable: LocalNode[] = [];
  for (const node of missing) {
    const refusal = await refusalOf(options, node.id);
    if (refusal === null) startable.push(node);
    else if (only !== undefined) throw new NlFailure(refusal);
    else steps.warn(`${refusal.message}; ${refusal.hint}`);
  }
  await checkPorts(startable);
  return start(options, startable, driver);
}

function start(
  { root, steps }: Starting,
  nodes: readonly LocalNode[],
  driver: string,
): readonly StartedNode[] {
  const started = nodes.map((node) => ({ node, logFrom: logBytes(root, node.id) }));
  const pids = nodes.map(({ id }) => startAgent(root, id, ["--driver", driver]));
  const names = nodes.map(({ id }) => id);
  const label = pids.length === 1 ? "pid" : "pids";
  if (pids.length > 0) steps.line(`  ✓ started ${names.join(" ")}  (${label} ${pids.join(" ")})`);
  return started;
}

/** Members know each other by their ports, so a running cluster cannot move. */
async function checkPorts(nodes: readonly LocalNode[]): Promise<void> {
  for (const { rpcPort } of nodes) {
    if (await isFree(rpcPort)) continue;
    const holder = holderOf(rpcPort);
    throw new NlFailure(
      nlError(
        "refused",
        `port ${rpcPort} is used by ${holder}, and this cluster's nodes know each other by it`,
        "end what holds it, then run nl up again",
      ),
    );
  }
}

/** Null: this node may be started from what its directory holds. */
async function refusalOf({ root, cluster, isNew }: Starting, id: string) {
  const directory = nodeDirectory(root, id);
  if (!existsSync(directory)) {
    return nlError(
      "refused",
      `${id} is gone: its data directory was deleted. A node without its log may not come back as itself (it could vote twice)`,
      "the others go on without it; a whole new cluster: nl up --fresh",
    );
  }
  if (isNew) return null;
  const { ownerOf } = await import("../../engine/open-node.ts");
  const owner = ownerOf(directory);
  // What cannot be read is the agent's to explain: it knows what is safe.
  if (!owner.ok) return null;
  const { clusterId, nodeId } = owner.value;
  if (clusterId === cluster.clusterId && nodeId === id) return null;
  return nlError(
    "refused",
    `${id} is not started: ${directory} is the directory of ${nodeId} in cluster ${clusterId}`,
    "nothing in it was changed: move it back to where it belongs",
  );
}
