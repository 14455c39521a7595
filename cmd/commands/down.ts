import { nlError } from "../../engine/lib/error-code.ts";
import { command } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { type LocalCluster, readClusterFile } from "../local/cluster-file.ts";
import { dataRoot } from "../local/data-root.ts";
import { withRootLock } from "../local/root-lock.ts";
import { runningJobs } from "../local/running-jobs.ts";
import { counted } from "../local/start-report.ts";
import { type Stopped, stopCluster } from "../local/stop-cluster.ts";
import { NlFailure } from "../nl-failure.ts";
import { EXIT_FAILED } from "../report-error.ts";
import type { World } from "../world.ts";

const GRACE_MILLIS = 10_000;

export const down = command({
  name: "down",
  summary: "Stop the local cluster; its data stays and nl up resumes it",
  examples: ["nl down", "nl down n2", "nl down --now"],
  args: { now: { type: "boolean", description: "Give running jobs no time to end" } },
  positionals: { name: "NODE", min: 0, max: 1 },
  run: runDown,
});

async function runDown(invocation: Invocation, world: World): Promise<number> {
  const root = dataRoot(invocation.text("data"), world.env);
  const [only] = invocation.positionals;
  const read = readClusterFile(root);
  // A file that cannot be read is no reason to leave processes behind: they are found without it.
  const cluster = read.ok ? read.value : null;
  if (only !== undefined) checkNode(cluster, only);
  const stopped = await withRootLock(root, world, async () => {
    const jobs = only === undefined ? await runningJobs(root, cluster) : [];
    if (jobs.length > 0) world.err(`${counted(jobs.length, "job")} running: ${jobs.join(" ")}\n`);
    return stopCluster(root, {
      graceMillis: invocation.isSet("now") ? 0 : GRACE_MILLIS,
      ...(only === undefined ? {} : { only: [only] }),
    });
  });
  if (!read.ok && stopped.nodes.length === 0) throw new NlFailure(read.error);
  sayWhatStopped(stopped, cluster, world);
  return stopped.stuck.length === 0 ? 0 : EXIT_FAILED;
}

function checkNode(cluster: LocalCluster | null, only: string): void {
  const known = (cluster?.nodes ?? []).map(({ id }) => id);
  if (known.includes(only)) return;
  const there = known.length === 0 ? "there is no cluster here" : `there are: ${known.join(", ")}`;
  throw new NlFailure(nlError("not_found", `no node "${only}"`, there));
}

function sayWhatStopped(
  { nodes, stuck }: Stopped,
  cluster: LocalCluster | null,
  world: World,
): void {
  if (nodes.length > 0) world.err(`stopped ${nodes.join(" ")}; data stays, nl up resumes\n`);
  else if (cluster === null) world.err("no local cluster here: nothing to stop\n");
  else world.err("nothing was running; data stays, nl up resumes\n");
  for (const id of stuck) world.err(`error: a process of ${id} did not end\n`);
}
