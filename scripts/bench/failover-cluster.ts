import { connect, type GrpcClient } from "../../engine/client/grpc-client.ts";
import type { ClusterStatus } from "../../proto/gen/nl/v1/cluster.ts";
import type { Lab, Started } from "./lab.ts";
import { type NlOptions, startNl, startNode, statusOf } from "./nl-cluster.ts";
import { benchSpec, freshId } from "./payload.ts";
import { need, type RunningCluster } from "./running-cluster.ts";

const WAIT_MILLIS_MAX = 30_000;
const POLL_MILLIS = 20;
/** Entries that a node which is back may still miss. */
const LAG_MAX = 64;

/** Three nodes that only serve, which die, freeze and come back. */
export class FailoverCluster {
  readonly #lab: Lab;
  readonly #name: string;
  readonly #options: NlOptions;
  readonly #cluster: RunningCluster;
  readonly #processes: Started[];

  private constructor(
    lab: Lab,
    started: { name: string; options: NlOptions },
    cluster: RunningCluster,
  ) {
    this.#lab = lab;
    this.#name = started.name;
    this.#options = started.options;
    this.#cluster = cluster;
    this.#processes = [...cluster.processes];
  }

  static async start(lab: Lab, name: string, options: NlOptions): Promise<FailoverCluster> {
    return new FailoverCluster(lab, { name, options }, await startNl(lab, name, options));
  }

  /** nl's own client, with all its patience. */
  client(): GrpcClient {
    const { targets, target } = this.#cluster;
    return connect({
      addresses: targets.map(({ address }) => address),
      credentials: { ca: target.caPem, cert: target.certificatePem, key: target.keyPem },
      requestTimeoutMillis: WAIT_MILLIS_MAX,
    });
  }

  /** Its place among the nodes, once it is ready and both others follow it closely. */
  async settledLeader(): Promise<number> {
    const found = await until("a leader with two followers", async () => {
      for (const [at, target] of this.#cluster.targets.entries()) {
        const status = await statusOf(target);
        if (status !== null && isSettled(status, nodeId(at))) return at;
      }
      return null;
    });
    return found;
  }

  async status(at: number): Promise<ClusterStatus> {
    return until(`a status of ${nodeId(at)}`, () => statusOf(there(this.#cluster.targets[at])));
  }

  signal(at: number, signal: NodeJS.Signals): void {
    process.kill(this.#processOf(at).pid, signal);
  }

  /** SIGKILL; the process is being removed when this returns. */
  kill(at: number): void {
    this.signal(at, "SIGKILL");
  }

  /** Starts a node that was killed. */
  async restart(at: number): Promise<void> {
    await this.#lab.stop([this.#processOf(at)]);
    this.#processes[at] = startNode(this.#lab, this.#name, { at, ...this.#options });
  }

  async stop(): Promise<void> {
    await this.#lab.stop(this.#processes);
  }

  pidOf(at: number): number {
    return this.#processOf(at).pid;
  }

  #processOf(at: number): Started {
    return there(this.#processes[at]);
  }
}

export const nodeId = (at: number): string => `n${at + 1}`;

/** Submits one job that stays pending; throws when it is refused. */
export async function write(client: GrpcClient): Promise<void> {
  need(await client.submitJob({ jobId: freshId(), spec: SPEC }));
}

const SPEC = benchSpec("failover", ["true"]);

const isSettled = (status: ClusterStatus, id: string): boolean =>
  status.ready &&
  status.leaderId === id &&
  status.nodeId === id &&
  status.peers.every(({ active, lag }) => active && lag <= LAG_MAX);

async function until<T>(what: string, ask: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + WAIT_MILLIS_MAX;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (performance.now() > deadline) throw new Error(`no ${what} within ${WAIT_MILLIS_MAX} ms`);
    await Bun.sleep(POLL_MILLIS);
  }
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error("no such node");
  return value;
}
