import { mkdir } from "node:fs/promises";
import { userInfo } from "node:os";
import { dirname } from "node:path";
import { bunClock, bunRandom } from "../../engine/bun-platform.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import type { NodeId } from "../../engine/lib/ids.ts";
import { createCluster } from "../../engine/new-cluster.ts";
import type { Invocation } from "../invocation.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import type { Steps } from "../steps.ts";
import type { LocalCluster, LocalNode } from "./cluster-file.ts";
import { findFreeRow, firstTaken, holderOf } from "./ports.ts";

export const DEFAULT_PORT = 7171;
/** The web port of a node stands this far above its gRPC port. */
const HTTP_OFFSET = 10;
const PORT_STEP = 100;

/** Chooses ports and makes the directories of a new local cluster: all of them or none. */
export async function foundCluster(options: {
  readonly root: string;
  readonly count: number;
  readonly invocation: Invocation;
  readonly steps: Steps;
}): Promise<LocalCluster> {
  const { root, count, invocation, steps } = options;
  const first = await choosePorts(count, invocation, steps);
  const nodes = Array.from({ length: count }, (_, at) => ({
    id: `n${at + 1}`,
    rpcPort: first + at,
    httpPort: first + HTTP_OFFSET + at,
  }));
  return steps.step(
    "making certificates and data directories",
    () => create(root, nodes),
    () => "made certificates and data directories, mutual TLS on",
  );
}

async function create(root: string, nodes: readonly LocalNode[]): Promise<LocalCluster> {
  const describe = (clusterId: string): LocalCluster => ({
    format: 1,
    name: "dev",
    clusterId,
    nodes,
  });
  await mkdir(dirname(root), { recursive: true });
  const clusterId = orFail(
    await createCluster({
      directory: root,
      name: "dev",
      nodes: nodes.map(({ id, rpcPort, httpPort }) => ({
        id: id as NodeId,
        rpcAddress: `127.0.0.1:${rpcPort}`,
        httpAddress: `127.0.0.1:${httpPort}`,
      })),
      user: userName(),
      platform: { clock: bunClock(), random: bunRandom() },
      files: (id) => ({ "cluster.json": `${JSON.stringify(describe(id), null, 2)}\n` }),
    }),
  );
  return describe(clusterId);
}

/** The login name, reduced to what may stand in a certificate. */
function userName(): string {
  const name = safeUserName()
    .toLowerCase()
    .replace(/[^a-z0-9._-]/g, "-");
  return /^[a-z0-9](?:.*[a-z0-9])?$/.test(name) ? name.slice(0, 60) : "user";
}

function safeUserName(): string {
  try {
    return userInfo().username;
  } catch {
    return "user"; // A uid without an entry in the password file.
  }
}

async function choosePorts(count: number, invocation: Invocation, steps: Steps): Promise<number> {
  const asked = invocation.integer("port-base", 1024, 32_700);
  const first = asked ?? DEFAULT_PORT;
  const taken = await firstTaken(first, count);
  if (taken === null) return first;
  const holder = holderOf(taken);
  const free = await findFreeRow(first + PORT_STEP, count, PORT_STEP);
  if (asked !== null || free === null) {
    const hint = free === null ? "end what holds it" : `try: nl up --port-base ${free}`;
    throw new NlFailure(nlError("refused", `port ${taken} is used by ${holder}`, hint));
  }
  steps.warn(`${taken} is used by ${holder}; using ${free}-${free + count - 1}`);
  return free;
}
