import { connectTo } from "../connect.ts";
import { NlFailure } from "../nl-failure.ts";
import { addressOf, clientDirectory, type LocalCluster } from "./cluster-file.ts";
import { agentPid } from "./node-process.ts";

const ASK_MILLIS = 1_000;
const SHOWN_MAX = 20;

/**
 * Ids of jobs that run in the local cluster, as far as one of its nodes knows, the newest first.
 * Empty as well when nobody answers soon: it is asked for before everything is stopped anyway.
 */
export async function runningJobs(
  root: string,
  cluster: LocalCluster | null,
): Promise<readonly string[]> {
  const running = (cluster?.nodes ?? []).filter(({ id }) => agentPid(root, id) !== null);
  if (running.length === 0) return [];
  try {
    return await ask(running.map(addressOf), clientDirectory(root));
  } catch (error) {
    if (error instanceof NlFailure) return []; // A certificate that cannot be read.
    throw error;
  }
}

async function ask(addresses: readonly string[], directory: string): Promise<readonly string[]> {
  const client = await connectTo(addresses, directory, ASK_MILLIS);
  try {
    const listed = await client.listJobs({ states: ["running"], limit: SHOWN_MAX, stale: true });
    return listed.ok ? listed.value.jobs.map(({ id }) => id) : [];
  } finally {
    client.close();
  }
}
