import { accessSync, constants, existsSync, readdirSync, statSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { bunClock, bunRandom } from "../../engine/bun-platform.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import type { NodeId } from "../../engine/lib/ids.ts";
import { createCluster } from "../../engine/new-cluster.ts";
import type { SavedSnapshot } from "../../engine/offline/snapshot-file.ts";
import type { Invocation } from "../invocation.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import type { Steps } from "../steps.ts";
import type { World } from "../world.ts";
import { clusterText, type LocalCluster, type LocalNode } from "./cluster-file.ts";
import { findFreeRow, firstTaken, holderOf } from "./ports.ts";
import { certificateUser } from "./user-name.ts";

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
  readonly world: World;
  /** What it begins with, and its name: else it is empty, and "dev". */
  readonly saved?: SavedSnapshot;
}): Promise<LocalCluster> {
  const { root, count, invocation, steps, world, saved } = options;
  checkPlace(root);
  const first = await choosePorts(count, invocation, steps);
  const nodes = Array.from({ length: count }, (_, at) => ({
    id: `n${at + 1}`,
    rpcPort: first + at,
    httpPort: first + HTTP_OFFSET + at,
  }));
  const user = certificateUser(world.env);
  return steps.step(
    "making certificates and data directories",
    () => create({ root, nodes, driver: invocation.text("driver"), user, saved: saved ?? null }),
    () => "made certificates and data directories, mutual TLS on",
  );
}

/** A new cluster takes a place of its own: nothing that is there is touched or mixed with it. */
export function checkPlace(root: string): void {
  const found = statSync(root, { throwIfNoEntry: false });
  if (found === undefined) {
    // Said before anything is made: why nothing can be.
    accessSync(nearestExisting(dirname(root)), constants.W_OK | constants.X_OK);
    return;
  }
  const isDirectory = found.isDirectory();
  if (isDirectory && readdirSync(root).length === 0) return;
  const what = isDirectory ? "holds other files" : "is not a directory";
  throw new NlFailure(
    nlError("refused", `${root} ${what}`, "name another place, or an empty directory"),
  );
}

const nearestExisting = (path: string): string =>
  existsSync(path) || dirname(path) === path ? path : nearestExisting(dirname(path));

async function create(plan: {
  readonly root: string;
  readonly nodes: readonly LocalNode[];
  readonly driver: string | null;
  readonly user: string;
  readonly saved: SavedSnapshot | null;
}): Promise<LocalCluster> {
  const { root, nodes, driver, user, saved } = plan;
  const name = saved?.state.clusterName ?? "dev";
  const describe = (clusterId: string): LocalCluster => ({
    format: 1,
    name,
    clusterId,
    nodes,
    ...(driver === null ? {} : { driver }),
  });
  await mkdir(dirname(root), { recursive: true });
  const clusterId = orFail(
    await createCluster({
      directory: root,
      name,
      nodes: nodes.map(({ id, rpcPort, httpPort }) => ({
        id: id as NodeId,
        rpcAddress: `127.0.0.1:${rpcPort}`,
        httpAddress: `127.0.0.1:${httpPort}`,
      })),
      user,
      ...(saved === null ? {} : { saved: { state: saved.state, term: saved.snapshot.term } }),
      platform: { clock: bunClock(), random: bunRandom() },
      files: (id) => ({ "cluster.json": clusterText(describe(id)) }),
    }),
  );
  return describe(clusterId);
}

/** What `--port-base` says; null when it was not given. */
export const portBase = (invocation: Invocation): number | null =>
  invocation.integer("port-base", 1024, 32_700);

async function choosePorts(count: number, invocation: Invocation, steps: Steps): Promise<number> {
  const asked = portBase(invocation);
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
