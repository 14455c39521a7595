import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nodeDirectory } from "../../cmd/local/cluster-file.ts";
import { findFreeRow } from "../../cmd/local/ports.ts";
import { selfCommand } from "../../cmd/local/self-command.ts";
import { bunClock, bunRandom } from "../../engine/bun-platform.ts";
import type { NodeId } from "../../engine/lib/ids.ts";
import { createCluster } from "../../engine/new-cluster.ts";
import { CERTIFICATE_FILES } from "../../engine/security/certificate-files.ts";
import { CLUSTER_SERVER_NAME } from "../../engine/security/server-name.ts";
import { ClusterService, type ClusterStatus } from "../../proto/gen/nl/v1/cluster.ts";
import type { Lab, Started } from "./lab.ts";
import { call, openClient, type Target } from "./raw-client.ts";
import { need, type RunningCluster, until } from "./running-cluster.ts";

const NODES = ["n1", "n2", "n3"];
const FIRST_PORT = 21_170;
const PORT_STEP = 10;
const START_MILLIS_MAX = 20_000;
const CALL_MILLIS = 1_000;

export type NlOptions = {
  /** A built binary instead of the source tree. */
  readonly binary: string | null;
  /** Runs the leader-to-be's processes with Bun's CPU profiler; profiles land in this folder. */
  readonly profileDirectory: string | null;
  /** A module that every node loads first. */
  readonly preload?: string;
  /** A program that every node is started by, and replaced by it. */
  readonly under?: readonly string[];
};

/** Three fresh nodes that only serve: submitted jobs stay pending, as etcd's puts just stay. */
export async function startNl(lab: Lab, name: string, options: NlOptions): Promise<RunningCluster> {
  const root = join(lab.directory, name);
  const targets = await createDirectories(root);
  const processes = NODES.map((_, at) => startNode(lab, name, { at, ...options }));
  const leader = await until(lab, { processes, millis: START_MILLIS_MAX }, () => leaderOf(targets));
  return {
    target: targets[leader] as Target,
    targets,
    processes,
    leader: processes[leader] as Started,
  };
}

/** Starts node number `at` of a cluster whose directories are there. */
export function startNode(
  lab: Lab,
  name: string,
  { at, ...options }: NlOptions & { readonly at: number },
): Started {
  const id = NODES[at] ?? "";
  const directory = nodeDirectory(join(lab.directory, name), id);
  return lab.start(`${name}-${id}`, [
    ...(options.under ?? []),
    ...agentCommand(directory, options),
  ]);
}

/** What one node says about the cluster; null while it does not answer. */
export async function statusOf(target: Target): Promise<ClusterStatus | null> {
  const client = openClient(target);
  const { path, requestSerialize, responseDeserialize } = ClusterService.getStatus;
  try {
    const options = { request: requestSerialize({}), deadlineMillis: CALL_MILLIS };
    return responseDeserialize(await call(client, path, options));
  } catch {
    return null;
  } finally {
    client.close();
  }
}

/** The client's view of a cluster directory that `createCluster` made. */
export function targetOf(root: string, rpcPort: number): Target {
  const read = (file: string): string => readFileSync(join(root, "client", file), "utf8");
  return {
    address: `127.0.0.1:${rpcPort}`,
    serverName: CLUSTER_SERVER_NAME,
    caPem: read(CERTIFICATE_FILES.ca.certificate),
    certificatePem: read(CERTIFICATE_FILES.client.certificate),
    keyPem: read(CERTIFICATE_FILES.client.key),
  };
}

async function createDirectories(root: string): Promise<readonly Target[]> {
  const first = await findFreeRow(FIRST_PORT, 2 * NODES.length, PORT_STEP);
  if (first === null) throw new Error("no free ports for nl");
  const nodes = NODES.map((id, at) => ({
    id: id as NodeId,
    rpcPort: first + 2 * at,
    httpPort: first + 2 * at + 1,
  }));
  need(
    await createCluster({
      directory: root,
      name: "bench",
      user: "bench",
      nodes: nodes.map(({ id, rpcPort, httpPort }) => ({
        id,
        rpcAddress: `127.0.0.1:${rpcPort}`,
        httpAddress: `127.0.0.1:${httpPort}`,
      })),
      platform: { clock: bunClock(), random: bunRandom() },
      files: () => ({}),
    }),
  );
  return nodes.map(({ rpcPort }) => targetOf(root, rpcPort));
}

function agentCommand(directory: string, options: NlOptions): readonly string[] {
  const words = ["agent", "--dir", directory, "--roles", "server", "--log-level", "warn"];
  if (options.binary !== null) return [options.binary, ...words];
  const [bun = process.execPath, ...source] = selfCommand(...words);
  const preload = options.preload === undefined ? [] : ["--preload", options.preload];
  const rest = [...preload, ...source];
  if (options.profileDirectory === null) return [bun, ...rest];
  const folder = `--cpu-prof-dir=${options.profileDirectory}`;
  return [bun, "--cpu-prof", "--cpu-prof-interval=250", folder, ...rest];
}

async function leaderOf(targets: readonly Target[]): Promise<number | null> {
  for (const [at, target] of targets.entries()) {
    const status = await statusOf(target);
    if (status?.ready === true && status.leaderId === NODES[at]) return at;
  }
  return null;
}
