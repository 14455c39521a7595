import type { Job } from "../../../engine/client/client.ts";
import type { GrpcClient } from "../../../engine/client/grpc-client.ts";
import { newJob } from "./jobs.ts";
import type { LocalCluster } from "./local-cluster.ts";
import { send } from "./processes.ts";
import { until } from "./until.ts";
import type { Witness } from "./witness.ts";

/** Half the room of five nodes with two slots a core: what three of them can take over. */
const JOBS_OF_A_KIND = 5;
/** Suspect after 10 s, lost after 30 s (SEMANTICS, Node lost), and then a start. */
const LOST_MILLIS = 60_000;

export type Losses = {
  /** Agent and task host killed. */
  readonly dead: string;
  /** Only the agent killed: its task host must end the tasks by itself. */
  readonly headless: string;
  /** What ran on either of the two, as it was then. */
  readonly before: readonly Job[];
  /** The same jobs when all of them had ended or run again. */
  readonly after: ReadonlyMap<string, Job>;
  readonly lostAfterMillis: number;
};

/**
 * On five nodes, takes two away for good, neither of them the leader, while every node has work:
 * jobs that may run again, and jobs that never may (`once`).
 */
export async function loseNodes(cluster: LocalCluster, witness: Witness): Promise<Losses> {
  const client = cluster.client();
  const before = await fillNodes(client, witness);
  const [dead, headless] = twoVictims(cluster.nodeIds, await cluster.leader(), before);
  const affected = before.filter(({ nodeId }) => nodeId === dead || nodeId === headless);
  const killedAt = performance.now();
  for (const pid of [cluster.agentPid(dead), cluster.taskHostPid(dead)]) send(pid, "SIGKILL");
  send(cluster.agentPid(headless), "SIGKILL");
  const after = await until(
    "every job of the lost nodes runs elsewhere or has ended",
    () => settled(client, affected),
    LOST_MILLIS,
  );
  return { dead, headless, before: affected, after, lostAfterMillis: performance.now() - killedAt };
}

async function fillNodes(client: GrpcClient, witness: Witness): Promise<readonly Job[]> {
  const onTerm = `kill $!; ${witness.line("end")}; exit 143`;
  const run = witness.script(`sleep 600 & trap '${onTerm}' TERM; wait`);
  const common = { run, driver: "plain", resources: { cpu: 0.1 } };
  const jobs = Array.from({ length: 2 * JOBS_OF_A_KIND }, (_, i) =>
    newJob({ ...common, name: i % 2 === 0 ? "again" : "once", once: i % 2 === 1 }),
  );
  for (const job of jobs) await client.submitJob(job);
  return until("all jobs run", async () => {
    const listed = await client.listJobs({ states: ["running"], limit: 100 });
    return listed.ok && listed.value.jobs.length === jobs.length && listed.value.jobs;
  });
}

function twoVictims(
  nodeIds: readonly string[],
  leader: string,
  jobs: readonly Job[],
): readonly [string, string] {
  const hasBoth = (id: string) =>
    ["again", "once"].every((name) =>
      jobs.some(({ nodeId, spec }) => nodeId === id && spec?.name === name),
    );
  const [dead, headless] = nodeIds.filter((id) => id !== leader && hasBoth(id));
  if (dead === undefined || headless === undefined) throw new Error("the jobs are not spread");
  return [dead, headless];
}

async function settled(
  client: GrpcClient,
  jobs: readonly Job[],
): Promise<ReadonlyMap<string, Job> | null> {
  const found = await Promise.all(jobs.map(({ id }) => client.getJob(id)));
  const now = found.flatMap((answer) => (answer.ok && answer.value.job ? [answer.value.job] : []));
  const isSettled = now.every(
    ({ state, attempts }) => state === "failed" || (state === "running" && attempts.length > 1),
  );
  return isSettled ? new Map(now.map((job) => [job.id, job])) : null;
}
