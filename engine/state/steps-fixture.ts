import fc from "fast-check";
import type { Index } from "../lib/ids.ts";
import type { RetryPolicy } from "../lib/job-spec.ts";
import type { AttemptEnd } from "./cluster-state.ts";
import { job, node, nodeInfo, TestCluster } from "./state-fixture.ts";

/** The last one is submitted late, or never. */
const JOBS = 4;
export const NODES = 3;
const ENDS: readonly AttemptEnd[] = [
  "exited",
  "signalled",
  "timeout",
  "oom-killed",
  "cancelled",
  "lease-lost",
  "drained",
  "agent-fault",
  "no-image",
];

const someJob = fc.integer({ min: 1, max: JOBS });
const someNode = fc.integer({ min: 1, max: NODES });

const wantedJob = fc.record({
  onLost: fc.constantFrom("rerun" as const, "rerun" as const, "fail" as const, "wait" as const),
  once: fc.constantFrom(true, false, false),
  retries: fc.nat({ max: 2 }),
  priority: fc.constantFrom(0, 50, 100),
});

const assign = fc.record({
  kind: fc.constant("assign" as const),
  job: someJob,
  node: someNode,
  skew: fc.constantFrom(0, 0, 0, 0, 0, 1),
});

const report = fc.record({
  kind: fc.constant("report" as const),
  job: someJob,
  /** How many attempts before the newest one. */
  back: fc.constantFrom(0, 0, 0, 1, 2),
  phase: fc.constantFrom(
    "starting" as const,
    "running" as const,
    "exited" as const,
    "exited" as const,
    "declined" as const,
  ),
  end: fc.constantFrom(...ENDS),
  exitCode: fc.constantFrom(0, 1, null),
  fenceSkew: fc.constantFrom(0, 0, 0, 0, 1),
});

const mark = fc.record({
  kind: fc.constant("mark" as const),
  node: someNode,
  alive: fc.constantFrom(true, true, false),
});

/** What a cluster may be told, true or false, in any order. */
const step = fc.oneof(
  { weight: 8, arbitrary: assign },
  { weight: 8, arbitrary: report },
  { weight: 5, arbitrary: mark },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("submit" as const), job: someJob }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("cancel" as const), job: someJob }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("drain" as const),
      node: someNode,
      on: fc.constantFrom(true, false, false),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("register" as const), node: someNode }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant("wait" as const),
      millis: fc.integer({ min: -5_000, max: 400_000 }),
    }),
  },
);

/** All jobs but the last one, as they are wanted. */
export const wantedJobs = fc.array(wantedJob, { minLength: JOBS - 1, maxLength: JOBS - 1 });
/** In any order, true or false. */
export const steps = fc.array(step, { minLength: 20, maxLength: 100, size: "max" });

const retrying = (count: number): RetryPolicy => ({
  count,
  backoffMillis: 5_000,
  maxBackoffMillis: 300_000,
  onExit: [],
  notOnExit: [],
});

export type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

type WantedJobs = typeof wantedJobs extends fc.Arbitrary<infer T> ? T : never;

/** A cluster that has been given these jobs. */
export function clusterWith(wanted: WantedJobs): TestCluster {
  const cluster = new TestCluster({ nodes: NODES });
  wanted.forEach(({ onLost, once, retries, priority }, i) => {
    cluster.submit(i + 1, { onLost, once, priority, retries: retrying(retries) });
  });
  return cluster;
}

export function take(cluster: TestCluster, one: Step): void {
  switch (one.kind) {
    case "submit":
      cluster.submit(one.job);
      break;
    case "assign":
      takeAssign(cluster, one);
      break;
    case "report":
      takeReport(cluster, one);
      break;
    case "cancel":
      cluster.cancel(one.job);
      break;
    case "mark":
      cluster.mark(one.node, one.alive ? "alive" : "lost");
      break;
    case "drain":
      cluster.run(
        one.on
          ? { kind: "drain-node", nodeId: node(one.node), deadlineMillis: 1_000, message: "" }
          : { kind: "undrain-node", nodeId: node(one.node) },
      );
      break;
    case "register":
      cluster.run({ kind: "register-node", node: nodeInfo(one.node) });
      break;
    case "wait":
      cluster.wait(one.millis);
      break;
  }
}

function takeAssign(cluster: TestCluster, one: Extract<Step, { kind: "assign" }>): void {
  const run = cluster.state.jobs.get(job(one.job))?.run;
  const number = (run?.attempt ?? 0) + 1 + one.skew;
  const cause = run?.cause ?? "first";
  const assignment = { jobId: job(one.job), number, nodeId: node(one.node), cause };
  cluster.change({ kind: "assign-attempts", assignments: [assignment] });
}

function takeReport(cluster: TestCluster, one: Extract<Step, { kind: "report" }>): void {
  const attempt = cluster.state.attemptsOf(job(one.job)).at(-1 - one.back);
  if (attempt === undefined) return;
  const { phase, end, exitCode } = one;
  const fence = (attempt.fence + one.fenceSkew) as Index;
  const change = { phase, end: phase === "exited" ? end : null, exitCode, fence };
  cluster.reportAttempt(attempt, change);
}
