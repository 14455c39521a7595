import { join, resolve } from "node:path";
import { bunClock, bunRandom } from "../../engine/bun-platform.ts";
import type { NodeId } from "../../engine/lib/ids.ts";
import { createCluster } from "../../engine/new-cluster.ts";
import { readSnapshotFile, type SavedSnapshot } from "../../engine/offline/snapshot-file.ts";
import { command } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { checkPlace, foundCluster } from "../local/found-cluster.ts";
import { certificateUser } from "../local/user-name.ts";
import { orFail } from "../nl-failure.ts";
import { Steps } from "../steps.ts";
import { UsageError } from "../usage-error.ts";
import type { World } from "../world.ts";

export const snapshotRestore = command({
  name: "restore",
  summary: "Make a new cluster that begins with the jobs of a saved one",
  examples: [
    "nl snapshot restore monday.snap --dir /srv/nl",
    "nl snapshot restore monday.snap --dir out --node n1=10.0.0.1:7171 --node n2=10.0.0.2:7171",
  ],
  args: {
    dir: { type: "string", valueHint: "DIR", description: "Where to: new, or empty" },
    nodes: { type: "string", valueHint: "1|3|5", description: "How many, on this machine (3)" },
    "port-base": { type: "string", valueHint: "PORT", description: "First gRPC port (7171)" },
    node: {
      type: "string",
      valueHint: "ID=HOST:PORT",
      description: "A node on a machine of its own; its web port is 10 above",
    },
  },
  repeat: ["node"],
  positionals: { name: "FILE", min: 1, max: 1 },
  run: runRestore,
});

const COUNTS = ["1", "3", "5"];

async function runRestore(invocation: Invocation, world: World): Promise<number> {
  const given = invocation.text("dir");
  if (given === null) throw new UsageError("--dir is missing", "where to put the new cluster");
  const root = resolve(given);
  const nodes = nodesOf(invocation);
  checkPlace(root);
  const steps = new Steps(world);
  const file = invocation.first();
  const saved = await steps.step(
    `checking ${file}`,
    async () => orFail(await readSnapshotFile(file)),
    ({ state, snapshot }) => `checked ${file}: ${state.jobs.size} jobs at index ${snapshot.index}`,
  );
  const running = saved.state.counts.assigned + saved.state.counts.running;
  if (nodes === null) await restoreHere({ root, invocation, saved, steps, world });
  else await restoreElsewhere({ root, nodes, saved, world });
  if (running > 0) {
    world.err(`${running} jobs were running: they run again, unless they forbid it\n`);
  }
  world.err("the old cluster, if it still lives, goes on by itself: end it first\n");
  world.err(`start the new one: ${startOf(root, nodes)}\n`);
  return 0;
}

const startOf = (root: string, nodes: readonly RestoredNode[] | null): string => {
  if (nodes === null) return `nl up --data ${root}`;
  const [first] = nodes;
  return `on each machine, with its directory: nl agent --dir ${join(root, first?.id ?? "")}`;
};

type RestoredNode = {
  readonly id: NodeId;
  readonly rpcAddress: string;
  readonly httpAddress: string;
};

/** Null: a cluster on this machine. */
function nodesOf(invocation: Invocation): readonly RestoredNode[] | null {
  const given = invocation.list("node");
  const count = invocation.text("nodes") ?? "3";
  if (!COUNTS.includes(count)) throw new UsageError(`--nodes takes 1, 3 or 5, not "${count}"`);
  if (given.length === 0) return null;
  if (invocation.isGiven("nodes") || invocation.isGiven("port-base")) {
    throw new UsageError("--node says all: without --nodes and --port-base");
  }
  const nodes = given.map(nodeOf);
  const isUnique = (of: (node: RestoredNode) => string) => new Set(nodes.map(of)).size;
  if (isUnique(({ id }) => id) < nodes.length || isUnique((one) => one.rpcAddress) < nodes.length) {
    throw new UsageError("two nodes have the same name or address");
  }
  return nodes;
}

const NODE = /^([a-z0-9][a-z0-9-]{0,62})=([^\s=]+):(\d{1,5})$/;
const HTTP_OFFSET = 10;
const PORT_MAX = 65_535 - HTTP_OFFSET;

function nodeOf(text: string): RestoredNode {
  const [, id, host, digits] = NODE.exec(text) ?? [];
  const port = Number(digits);
  if (id === undefined || host === undefined || port < 1 || port > PORT_MAX) {
    throw new UsageError(`--node takes ID=HOST:PORT, not "${text}"`, "n1=10.0.0.1:7171");
  }
  return {
    id: id as NodeId,
    rpcAddress: `${host}:${port}`,
    httpAddress: `${host}:${port + HTTP_OFFSET}`,
  };
}

async function restoreHere(options: {
  readonly root: string;
  readonly invocation: Invocation;
  readonly saved: SavedSnapshot;
  readonly steps: Steps;
  readonly world: World;
}): Promise<void> {
  const count = Number(options.invocation.text("nodes") ?? "3");
  await foundCluster({ ...options, count });
}

async function restoreElsewhere(options: {
  readonly root: string;
  readonly nodes: readonly RestoredNode[];
  readonly saved: SavedSnapshot;
  readonly world: World;
}): Promise<void> {
  const { root, nodes, saved, world } = options;
  orFail(
    await createCluster({
      directory: root,
      name: saved.state.clusterName,
      nodes,
      saved: { state: saved.state, term: saved.snapshot.term },
      user: certificateUser(world.env),
      platform: { clock: bunClock(), random: bunRandom() },
      files: () => ({}),
    }),
  );
}
