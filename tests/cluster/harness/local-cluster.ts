import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clusterFile, readClusterFile } from "../../../cmd/local/cluster-file.ts";
import { agentPid, logTail, startAgent } from "../../../cmd/local/node-process.ts";
import { findFreeRow } from "../../../cmd/local/ports.ts";
import { selfCommand } from "../../../cmd/local/self-command.ts";
import { bunClock, bunRandom } from "../../../engine/bun-platform.ts";
import { connect, type GrpcClient } from "../../../engine/client/grpc-client.ts";
import type { NodeId } from "../../../engine/lib/ids.ts";
import { createCluster } from "../../../engine/new-cluster.ts";
import type { Lab } from "./lab.ts";
import { allProcesses, argvOf, isAlive, send } from "./processes.ts";
import { type Outcome, runNl } from "./run-nl.ts";
import { until } from "./until.ts";

const PORTS_FROM = 10_000;
const PORTS_SPAN = 20_000;
const PORT_STEP = 20;
/** gRPC ports, and as many web ports ten above them: also for nodes that come or move. */
const PORTS_NEEDED = 20;
const HTTP_OFFSET = 10;
const REQUEST_MILLIS = 30_000;

type CliOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  readonly cwd?: string;
  readonly limitMillis?: number;
};

/** One cluster of `nl up` on this machine, and everything a test does to it. */
export class LocalCluster {
  readonly root: string;
  readonly portBase: number;
  readonly #lab: Lab;
  readonly #program: readonly string[];
  readonly #clients: GrpcClient[] = [];

  private constructor(lab: Lab, root: string, how: How) {
    this.#lab = lab;
    this.root = root;
    this.portBase = how.portBase;
    this.#program = how.program;
  }

  /** A place for a cluster that does not exist yet. */
  static async place(
    lab: Lab,
    name: string,
    program: readonly string[] = selfCommand(),
  ): Promise<LocalCluster> {
    return new LocalCluster(lab, lab.path(name), { portBase: await freePorts(), program });
  }

  /** Directories and certificates of three nodes that only serve, all of them started. */
  static async serving(lab: Lab, name: string): Promise<LocalCluster> {
    const cluster = await LocalCluster.place(lab, name);
    await cluster.found();
    for (const id of cluster.nodeIds) cluster.serve(id);
    await cluster.leader();
    return cluster;
  }

  get clientDirectory(): string {
    return join(this.root, "client");
  }

  get nodeIds(): readonly string[] {
    const read = readClusterFile(this.root);
    return read.ok ? (read.value?.nodes ?? []).map(({ id }) => id) : [];
  }

  get addresses(): readonly string[] {
    const read = readClusterFile(this.root);
    const nodes = read.ok ? (read.value?.nodes ?? []) : [];
    return nodes.map(({ rpcPort }) => `127.0.0.1:${rpcPort}`);
  }

  addressOf(id: string): string {
    return this.addresses[this.nodeIds.indexOf(id)] ?? "";
  }

  /** What a shell of a user of this cluster has. */
  get env(): Readonly<Record<string, string>> {
    return { ...this.#lab.env, NL_DATA_DIR: this.root };
  }

  /** The line a person would type, from source. */
  shellCommand(...words: readonly string[]): string {
    return [...this.#program, ...words].join(" ");
  }

  /** Runs `nl` against this cluster. */
  nl(words: readonly string[], options: CliOptions = {}): Promise<Outcome> {
    const { cwd = this.#lab.directory, env = {}, ...rest } = options;
    return runNl(words, {
      program: this.#program,
      env: { ...this.env, ...env },
      cwd,
      ...rest,
    });
  }

  up(...words: readonly string[]): Promise<Outcome> {
    return this.nl(["up", "--port-base", String(this.portBase), ...words]);
  }

  /** The directories of a new cluster, made as `nl up` makes them. */
  async found(): Promise<void> {
    const nodes = ["n1", "n2", "n3"].map((id, at) => ({
      id: id as NodeId,
      rpcPort: this.portBase + at,
      httpPort: this.portBase + HTTP_OFFSET + at,
    }));
    const created = await createCluster({
      directory: this.root,
      name: "dev",
      user: "tester",
      nodes: nodes.map(({ id, rpcPort, httpPort }) => ({
        id,
        rpcAddress: `127.0.0.1:${rpcPort}`,
        httpAddress: `127.0.0.1:${httpPort}`,
      })),
      platform: { clock: bunClock(), random: bunRandom() },
      files: (clusterId) => ({
        "cluster.json": JSON.stringify({ format: 1, name: "dev", clusterId, nodes }),
      }),
    });
    if (!created.ok) throw new Error(created.error.message);
  }

  /** Starts a node that takes no work. */
  serve(id: string, ...flags: readonly string[]): number {
    this.#lab.requireOpen();
    return startAgent(this.root, id, ["--roles", "server", ...flags]);
  }

  /** Starts a node again whose jobs are plain processes. */
  start(id: string): number {
    this.#lab.requireOpen();
    return startAgent(this.root, id, ["--driver", "plain"]);
  }

  agentPid(id: string): number {
    const pid = agentPid(this.root, id);
    if (pid === null) throw new Error(`${id} does not run\n${this.tail(id)}`);
    return pid;
  }

  isUp = (id: string): boolean => agentPid(this.root, id) !== null;

  taskHostPid(id: string): number {
    const pid = this.#processesUnder(id).find((found) => argvOf(found).includes("task-host"));
    if (pid === undefined) throw new Error(`${id} has no task host\n${this.tail(id)}`);
    return pid;
  }

  /** Agents and task hosts that live, of this cluster. */
  processes(): readonly number[] {
    return this.nodeIds.flatMap((id) => this.#processesUnder(id));
  }

  /** SIGKILL, and gone. */
  async kill(id: string): Promise<void> {
    const pid = this.agentPid(id);
    send(pid, "SIGKILL");
    await until(`${id} is gone`, () => !isAlive(pid));
  }

  signal(id: string, name: NodeJS.Signals): void {
    send(this.agentPid(id), name);
  }

  /** A client of all nodes, or of these addresses; closed with the cluster. */
  client(addresses: readonly string[] = this.addresses): GrpcClient {
    const read = (name: string) => readFileSync(join(this.clientDirectory, name), "utf8");
    const client = connect({
      addresses,
      credentials: { ca: read("ca.pem"), cert: read("client.pem"), key: read("client-key.pem") },
      requestTimeoutMillis: REQUEST_MILLIS,
    });
    this.#clients.push(client);
    return client;
  }

  /** Who leads, once somebody does and serves. */
  async leader(): Promise<string> {
    const client = this.client();
    try {
      return await until("the cluster has a leader", async () => {
        const status = await client.getStatus();
        return status.ok && status.value.ready && status.value.leaderId;
      });
    } catch (cause) {
      throw new Error(`${String(cause)}\n${this.nodeIds.map((id) => this.tail(id)).join("\n")}`);
    } finally {
      client.close();
    }
  }

  tail(id: string): string {
    return `last lines of ${id}:\n${logTail(this.root, id, 10).join("\n")}`;
  }

  get clusterFile(): string {
    return clusterFile(this.root);
  }

  /** The cluster's processes are the lab's to end. */
  closeClients(): void {
    for (const client of this.#clients.splice(0)) client.close();
  }

  #processesUnder(id: string): readonly number[] {
    const directory = join(this.root, id);
    return allProcesses().filter((pid) => {
      const words = argvOf(pid);
      const isOurs = words.includes("agent") || words.includes("task-host");
      const isOfNode = words.some((word) => word === directory || word.startsWith(`${directory}/`));
      return isOurs && isOfNode && isAlive(pid);
    });
  }
}

type How = { readonly portBase: number; readonly program: readonly string[] };

async function freePorts(): Promise<number> {
  const from = PORTS_FROM + Math.floor((Math.random() * PORTS_SPAN) / PORT_STEP) * PORT_STEP;
  const first = await findFreeRow(from, PORTS_NEEDED, PORT_STEP);
  if (first === null) throw new Error("no free ports for a cluster");
  return first;
}
