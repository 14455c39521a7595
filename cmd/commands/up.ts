import { nlError } from "../../engine/lib/error-code.ts";
import { command } from "../command.ts";
import { Interrupted } from "../interrupted.ts";
import type { Invocation } from "../invocation.ts";
import { bringUp } from "../local/bring-up.ts";
import { type LocalCluster, readClusterFile, rememberDriver } from "../local/cluster-file.ts";
import { dataRoot, forPeople } from "../local/data-root.ts";
import { DRIVERS } from "../local/driver-names.ts";
import { foundCluster, portBase } from "../local/found-cluster.ts";
import { moveAside } from "../local/move-aside.ts";
import { printEndpoints } from "../local/print-endpoints.ts";
import { withRootLock } from "../local/root-lock.ts";
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
  checkFlags(invocation);
  const root = dataRoot(invocation.text("data"), world.env);
  await withRootLock(root, world, () => start(invocation, world, root));
  return invocation.command.length === 0 ? 0 : runFirst(invocation, world);
}

function checkFlags(invocation: Invocation): void {
  const nodes = invocation.text("nodes") ?? "3";
  if (!NODE_COUNTS.includes(nodes)) throw new UsageError(`--nodes takes 1, 3 or 5, not "${nodes}"`);
  const driver = invocation.text("driver") ?? "auto";
  if (!DRIVERS.some((known) => known === driver)) {
    throw new UsageError(`unknown driver "${driver}"`, `one of: ${DRIVERS.join(", ")}`);
  }
  portBase(invocation);
}

async function start(invocation: Invocation, world: World, root: string): Promise<void> {
  const { interrupted } = world;
  const steps = new Steps(world);
  if (invocation.isSet("fresh")) await moveAside(root, world);
  const known = orFail(readClusterFile(root));
  const count = known?.nodes.length ?? Number(invocation.text("nodes") ?? "3");
  steps.line(heading(known?.name ?? "dev", count, forPeople(root, world.env)));
  world.err("\n");
  if (known !== null) checkSameShape(known, invocation);
  const cluster = known ?? (await foundCluster({ root, count, invocation, steps, world }));
  if (interrupted.aborted) throw new Interrupted("the cluster is made but not started: nl up");
  const driver = invocation.text("driver") ?? cluster.driver ?? "auto";
  if (known !== null) rememberDriver(root, cluster, driver);
  const isNew = known === null;
  const result = await bringUp({ root, cluster, isNew, driver, steps, world });
  const isNamed = invocation.text("data") !== null;
  printEndpoints({ root, isNamed, cluster, up: result, world });
}

function heading(name: string, count: number, root: string): string {
  const many = count === 1 ? "1 node" : `${count} nodes`;
  return `nl ${VERSION} · cluster "${name}" · ${many} · data in ${root}`;
}

/** The cluster that is there decides; flags that ask for another one are refused, not ignored. */
function checkSameShape(known: LocalCluster, invocation: Invocation): void {
  const nodes = invocation.text("nodes");
  if (nodes !== null && Number(nodes) !== known.nodes.length) {
    throw new NlFailure(
      nlError(
        "wrong_state",
        `the cluster here has ${known.nodes.length} nodes, and nl up does not change that`,
        "grow it as nl cluster join tells; shrink it: nl cluster leave NODE; another: nl up --data DIR",
      ),
    );
  }
  const asked = portBase(invocation);
  const first = known.nodes[0]?.rpcPort ?? asked;
  if (asked !== null && asked !== first) {
    throw anotherShape(`has its ports at ${first}, not at ${asked}`);
  }
}

const anotherShape = (what: string): NlFailure =>
  new NlFailure(
    nlError(
      "wrong_state",
      `the cluster here ${what}`,
      "another one: nl up --data DIR; or move this one aside: nl up --fresh",
    ),
  );

async function runFirst(invocation: Invocation, world: World): Promise<number> {
  const { runJob } = await import("../jobs/run-job.ts");
  world.err("\n");
  return runJob({ invocation, world, input: { command: [...invocation.command] }, detach: false });
}
