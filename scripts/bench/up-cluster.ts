import { readFileSync } from "node:fs";
import { join } from "node:path";
import { clientDirectory, nodeDirectory, readClusterFile } from "../../cmd/local/cluster-file.ts";
import { agentPid } from "../../cmd/local/node-process.ts";
import { findFreeRow } from "../../cmd/local/ports.ts";
import { livingProcess } from "../../cmd/local/process-file.ts";
import { selfCommand } from "../../cmd/local/self-command.ts";
import { stopCluster } from "../../cmd/local/stop-cluster.ts";
import type { Client } from "../../engine/client/client.ts";
import { connect } from "../../engine/client/grpc-client.ts";
import { CERTIFICATE_FILES } from "../../engine/security/certificate-files.ts";
import type { Lab } from "./lab.ts";
import { need } from "./running-cluster.ts";

/** A cluster that `nl up` made, nodes and workers in one. */
export type UpCluster = {
  readonly root: string;
  /** From exec to the exit of `nl up`. */
  readonly upMillis: number;
  readonly addresses: readonly string[];
  readonly nodes: readonly { readonly id: string; readonly agent: number; readonly host: number }[];
  down(): Promise<void>;
};

const FIRST_PORT = 24_170;
/** gRPC and web ports of the nodes. */
const PORT_COUNT = 20;
const PORT_STEP = 20;
const REQUEST_MILLIS = 30_000;
const COMMAND_MILLIS_MAX = 60_000;
const HOST_MILLIS_MAX = 10_000;

/** The argv of nl: the built binary, or this source tree. */
export const nlCommand = (binary: string | null, ...words: readonly string[]): readonly string[] =>
  binary === null ? selfCommand(...words) : [binary, ...words];

export type Ran = { readonly millis: number; readonly exitCode: number; readonly said: string };

/** Runs a command to its end, and kills it when that takes too long. */
export async function run(argv: readonly string[]): Promise<Ran> {
  const from = performance.now();
  const child = Bun.spawn([...argv], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    timeout: COMMAND_MILLIS_MAX,
    killSignal: "SIGKILL",
  });
  const exitCode = await child.exited;
  const millis = performance.now() - from;
  const [out, err] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  return { millis, exitCode, said: `${out}${err}`.trim() };
}

/** `nl up` in a folder of the lab's own; ended with the lab, or by `down`. */
export async function up(
  lab: Lab,
  options: { readonly name: string; readonly binary: string | null; readonly driver: string },
): Promise<UpCluster> {
  const root = join(lab.directory, options.name);
  const port = await findFreeRow(FIRST_PORT, PORT_COUNT, PORT_STEP);
  if (port === null) throw new Error("no free ports for nl up");
  const down = async () => {
    await stopCluster(root, { graceMillis: 0 });
  };
  lab.onClose(down);
  const words = ["up", "--data", root, "--port-base", `${port}`, "--driver", options.driver];
  const { millis, exitCode, said } = await run(nlCommand(options.binary, ...words));
  if (exitCode !== 0) throw new Error(`nl up failed (${exitCode}):\n${said}`);
  const cluster = need(readClusterFile(root));
  const nodes = await Promise.all((cluster?.nodes ?? []).map(({ id }) => processesOf(root, id)));
  const addresses = (cluster?.nodes ?? []).map(({ rpcPort }) => `127.0.0.1:${rpcPort}`);
  return { root, upMillis: millis, addresses, nodes, down };
}

/** nl's own client, as the CLI uses it. */
export function clientOf({ root, addresses }: UpCluster): Client {
  const read = (file: string): string => readFileSync(join(clientDirectory(root), file), "utf8");
  const { ca, client } = CERTIFICATE_FILES;
  const credentials = {
    ca: read(ca.certificate),
    cert: read(client.certificate),
    key: read(client.key),
  };
  return connect({ addresses, credentials, requestTimeoutMillis: REQUEST_MILLIS });
}

/** The task host starts beside the agent, a moment later. */
async function processesOf(root: string, id: string): Promise<UpCluster["nodes"][number]> {
  const deadline = performance.now() + HOST_MILLIS_MAX;
  const file = join(nodeDirectory(root, id), "tasks", "task-host.pid");
  for (;;) {
    const agent = agentPid(root, id);
    const host = livingProcess(file);
    if (agent !== null && host !== null) return { id, agent, host };
    if (performance.now() > deadline) throw new Error(`${id} has no agent or no task host`);
    await Bun.sleep(50);
  }
}
