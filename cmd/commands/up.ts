import { existsSync } from "node:fs";
import { rename } from "node:fs/promises";
import { nlError } from "../../engine/lib/error-code.ts";
import { command } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { bringUp } from "../local/bring-up.ts";
import { type LocalCluster, readClusterFile } from "../local/cluster-file.ts";
import { dataRoot, forPeople } from "../local/data-root.ts";
import { DRIVERS } from "../local/driver-names.ts";
import { foundCluster } from "../local/found-cluster.ts";
import { printEndpoints } from "../local/print-endpoints.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import { Steps } from "../steps.ts";
import { UsageError } from "../usage-error.ts";
import { VERSION } from "../version.ts";
import type { World } from "../world.ts";

export const up = command({
  name: "up",
  summary:
    "Start a real three-node cluster on this machine; with a command: run it as the first job",
  examples: ["nl up", "nl up -- echo hello", "nl up --nodes 1"],
  args: {
    nodes: { type: "string", valueHint: "1|3|5", description: "How many nodes (default 3)" },
    "port-base": {
      type: "string",
      valueHint: "PORT",
      description: "First gRPC port (default 7171)",
    },
    driver: {
      type: "string",
      valueHint: "NAME",
      description: "auto, docker, process or plain (default auto)",
    },
    fresh: { type: "boolean", description: "Move old data aside and start a new cluster" },
  },
  takesCommand: true,
  run: runUp,
});

const NODE_COUNTS = ["1", "3", "5"];

async function runUp(invocation: Invocation, world: World): Promise<number> {
  const nodes = invocation.text("nodes") ?? "3";
  if (!NODE_COUNTS.includes(nodes)) throw new UsageError(`--nodes takes 1, 3 or 5, not "${nodes}"`);
  const driver = invocation.text("driver") ?? "auto";
  if (!DRIVERS.some((known) => known === driver)) {
    throw new UsageError(`unknown driver "${driver}"`, `one of: ${DRIVERS.join(", ")}`);
  }
  const root = dataRoot(invocation.text("data"), world.env);
  const steps = new Steps(world);
  if (invocation.isSet("fresh")) await moveAside(root, world);

  const known = orFail(readClusterFile(root));
  steps.line(heading(known, root, { nodes, env: world.env }));
  world.err("\n");
  const cluster = known ?? (await foundCluster({ root, count: Number(nodes), invocation, steps }));
  if (known !== null) checkSameShape(known, invocation);
  await bringUp({ root, cluster, isNew: known === null, driver, steps, world });
  await printEndpoints(root, cluster, world);
  return invocation.command.length === 0 ? 0 : runFirst(invocation, world);
}

function heading(
  known: LocalCluster | null,
  root: string,
  { nodes, env }: { readonly nodes: string; readonly env: World["env"] },
): string {
  const count = known?.nodes.length ?? Number(nodes);
  const name = known?.name ?? "dev";
  const many = count === 1 ? "1 node" : `${count} nodes`;
  return `nl ${VERSION} · cluster "${name}" · ${many} · data in ${forPeople(root, env)}`;
}

/** The cluster that is there decides; flags that ask for another one are refused, not ignored. */
function checkSameShape(known: LocalCluster, invocation: Invocation): void {
  const nodes = invocation.text("nodes");
  if (nodes !== null && Number(nodes) !== known.nodes.length) {
    throw new NlFailure(
      nlError(
        "wrong_state",
        `the cluster here has ${known.nodes.length} nodes, not ${nodes}`,
        "another one: nl up --data DIR; or move this one aside: nl up --fresh",
      ),
    );
  }
}

async function moveAside(root: string, world: World): Promise<void> {
  if (!existsSync(root)) return;
  const { stopCluster } = await import("../local/stop-cluster.ts");
  await stopCluster(root, { graceMillis: 0 });
  const stamp = new Date(world.now()).toISOString().slice(0, 16).replace(":", "");
  await rename(root, `${root}.${stamp}`);
  world.err(`moved the old data to ${forPeople(`${root}.${stamp}`, world.env)}\n`);
}

async function runFirst(invocation: Invocation, world: World): Promise<number> {
  const { runJob } = await import("../jobs/run-job.ts");
  world.err("\n");
  return runJob({ invocation, world, input: { command: [...invocation.command] }, detach: false });
}
