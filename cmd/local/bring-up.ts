import { existsSync } from "node:fs";
import type { Client } from "../../engine/client/client.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import { connectTo } from "../connect.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import type { Steps } from "../steps.ts";
import type { World } from "../world.ts";
import {
  addressOf,
  clientDirectory,
  type LocalCluster,
  type LocalNode,
  nodeDirectory,
} from "./cluster-file.ts";
import { agentPid, logTail, startAgent, stopAgent } from "./node-process.ts";
import { holderOf, isFree } from "./ports.ts";

const START_LIMIT_MILLIS = 20_000;
const POLL_MILLIS = 25;
const LOG_LINES = 10;

export type BringUp = {
  readonly root: string;
  readonly cluster: LocalCluster;
  readonly isNew: boolean;
  /** Start just this one. */
  readonly only?: string;
  readonly driver: string;
  readonly steps: Steps;
  readonly world: World;
};

/** Starts the nodes that do not run and waits until the cluster has a leader and has committed. */
export async function bringUp(options: BringUp): Promise<void> {
  const { root, cluster, steps, world } = options;
  const started = await startMissing(options);
  const client = await connectTo(
    cluster.nodes.map(addressOf),
    clientDirectory(root),
    START_LIMIT_MILLIS,
  );
  try {
    const leader = await steps.step(
      "waiting for a leader",
      () => untilLed(options, client, started),
      ({ leaderId, term }) => `${leaderId} is leader, term ${term}`,
    );
    await steps.step(
      "waiting for the nodes to register",
      () => untilRegistered(options, client, started),
      ({ count, millis }) => `committed on ${count} of ${cluster.nodes.length} in ${millis} ms`,
    );
    await sayWhatResumed(options, client);
    for (const warning of leader.warnings) steps.warn(warning);
  } catch (error) {
    if (world.interrupted.aborted) await stopStarted(root, started, world);
    throw error;
  } finally {
    client.close();
  }
}

async function startMissing(options: BringUp): Promise<readonly string[]> {
  const { root, cluster, only, driver, steps } = options;
  const wanted = cluster.nodes.filter(({ id }) => only === undefined || id === only);
  const missing = wanted.filter(({ id }) => agentPid(root, id) === null);
  const startable: LocalNode[] = [];
  for (const node of missing) {
    const refusal = await refusalOf(options, node.id);
    if (refusal === null) startable.push(node);
    else steps.warn(refusal);
  }
  if (startable.length === 0 && missing.length === 0) {
    steps.line(`  ✓ ${cluster.nodes.length} of ${cluster.nodes.length} nodes are already up`);
    return [];
  }
  for (const { rpcPort } of startable) {
    if (await isFree(rpcPort)) continue;
    throw new NlFailure(
      nlError(
        "refused",
        `port ${rpcPort} is used by ${holderOf(rpcPort)}, and this cluster's nodes know each other by it`,
        "end what holds it, then run nl up again",
      ),
    );
  }
  const pids = startable.map(({ id }) => startAgent(root, id, ["--driver", driver]));
  const names = startable.map(({ id }) => id);
  if (names.length > 0) steps.line(`  ✓ started ${names.join(" ")}  (pids ${pids.join(" ")})`);
  return names;
}

/** Null: this node may be started from what its directory holds. */
async function refusalOf({ root, cluster, isNew }: BringUp, id: string): Promise<string | null> {
  const directory = nodeDirectory(root, id);
  if (!existsSync(directory)) return goneSentence(id);
  if (isNew) return null;
  const { ownerOf } = await import("../../engine/open-node.ts");
  const owner = ownerOf(directory);
  // What cannot be read is the agent's to explain: it knows what is safe.
  if (!owner.ok) return null;
  const { clusterId, nodeId } = owner.value;
  if (clusterId === cluster.clusterId && nodeId === id) return null;
  return `${id} is not started: ${directory} is the directory of ${nodeId} in cluster ${clusterId}. Nothing in it was changed: move it back to where it belongs`;
}

const goneSentence = (id: string): string =>
  `${id} is gone: its data directory was deleted. A node without its log may not come back as itself (it could vote twice); the others go on without it`;

type Led = {
  readonly leaderId: string;
  readonly term: number;
  readonly warnings: readonly string[];
};

async function untilLed(
  options: BringUp,
  client: Client,
  started: readonly string[],
): Promise<Led> {
  return poll(options, started, async () => {
    const status = await client.getStatus();
    return status.ok && status.value.leaderId !== "" && status.value.ready ? status.value : null;
  });
}

type Registered = { readonly count: number; readonly millis: string };

/** Every node that was started is known to be alive through a read that went through a quorum. */
async function untilRegistered(
  options: BringUp,
  client: Client,
  started: readonly string[],
): Promise<Registered> {
  return poll(options, started, async () => {
    const from = performance.now();
    const listed = await client.listNodes();
    if (!listed.ok) return null;
    const millis = (performance.now() - from).toFixed(1);
    const alive = listed.value.nodes.filter(
      ({ id, liveness, version }) =>
        liveness !== "lost" &&
        version !== "" &&
        options.cluster.nodes.some((node) => node.id === id),
    );
    const isComplete = started.every((id) => alive.some((node) => node.id === id));
    return isComplete ? { count: alive.length, millis } : null;
  });
}

async function poll<T>(
  { root, world }: BringUp,
  started: readonly string[],
  ask: () => Promise<T | null>,
): Promise<T> {
  const deadline = performance.now() + START_LIMIT_MILLIS;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (world.interrupted.aborted) {
      throw new NlFailure(
        nlError("refused", "interrupted while starting", "nl up goes on from here"),
      );
    }
    for (const id of started) {
      if (agentPid(root, id) === null) throw nodeEnded(root, id, world);
    }
    if (performance.now() > deadline) throw tooSlow(root, started, world);
    await Bun.sleep(POLL_MILLIS);
  }
}

function nodeEnded(root: string, id: string, world: World): NlFailure {
  for (const line of logTail(root, id, LOG_LINES)) world.err(`    ${line}\n`);
  return new NlFailure(
    nlError("refused", `${id} ended while starting: its last lines are above`, "nl up tries again"),
  );
}

function tooSlow(root: string, started: readonly string[], world: World): NlFailure {
  const [first] = started;
  if (first !== undefined) {
    for (const line of logTail(root, first, LOG_LINES)) world.err(`    ${line}\n`);
  }
  return new NlFailure(
    nlError("no_leader", `no leader within ${START_LIMIT_MILLIS / 1000} s`, "see: nl status"),
  );
}

async function stopStarted(root: string, started: readonly string[], world: World): Promise<void> {
  world.err("stopping what was started… ");
  for (const id of started) {
    const pid = agentPid(root, id);
    if (pid !== null) await stopAgent(pid, 2_000);
  }
  world.err("done. (again: kill)\n");
}

async function sayWhatResumed({ isNew, steps }: BringUp, client: Client): Promise<void> {
  if (isNew) return;
  const status = orFail(await client.getStatus());
  const { counts } = status;
  if (counts === undefined) return;
  const jobs = Object.values(counts).reduce((sum, count) => sum + count, 0);
  if (jobs === 0) return;
  const running = counts.running > 0 ? `, ${counts.running} still running` : "";
  steps.line(`  ✓ resumed: ${jobs} jobs, index ${status.appliedIndex}${running}`);
}
