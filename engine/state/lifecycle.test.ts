import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { Index } from "../lib/ids.ts";
import type { RetryPolicy } from "../lib/job-spec.ts";
import { isOver } from "./attempt-lifecycle.ts";
import type { Attempt, AttemptEnd, Job, JobState } from "./cluster-state.ts";
import { ordinalOf } from "./pending-queue.ts";
import { specOf } from "./spec-of.ts";
import { job, node, nodeInfo, TestCluster } from "./state-fixture.ts";
import { STATE_LIMITS, StateStore } from "./state-store.ts";

/** The last one is submitted late, or never. */
const JOBS = 4;
const NODES = 3;
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

const wantedJobs = fc.array(wantedJob, { minLength: JOBS - 1, maxLength: JOBS - 1 });
const steps = fc.array(step, { minLength: 20, maxLength: 100, size: "max" });

const retrying = (count: number): RetryPolicy => ({
  count,
  backoffMillis: 5_000,
  maxBackoffMillis: 300_000,
  onExit: [],
  notOnExit: [],
});

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

describe("the life of jobs under any sequence of commands", () => {
  test("S2 S4 S5 S7 S14 S16 hold after every entry", () => {
    fc.assert(
      fc.property(wantedJobs, steps, (wanted, all) => {
        const cluster = new TestCluster({ nodes: NODES });
        wanted.forEach(({ onLost, once, retries, priority }, i) => {
          cluster.submit(i + 1, { onLost, once, priority, retries: retrying(retries) });
        });
        let before = memoryOf(cluster);
        for (const one of all) {
          take(cluster, one);
          const after = memoryOf(cluster);
          nothingOverChanges(before, after);
          everyJobFitsItsAttempts(cluster);
          indexesAgreeWithRecords(cluster);
          before = after;
        }
        expect(rebuiltHash(cluster)).toBe(cluster.state.stateHash());
      }),
      { numRuns: 150 },
    );
  });
});

function take(cluster: TestCluster, one: Step): void {
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
  const before = cluster.state.attemptsOf(job(one.job));
  const change = { phase, end: phase === "exited" ? end : null, exitCode, fence };
  cluster.reportAttempt(attempt, change);
  if (one.fenceSkew > 0) expect(cluster.state.attemptsOf(job(one.job))).toEqual(before);
}

type Memory = {
  readonly jobs: readonly Job[];
  readonly attempts: readonly Attempt[];
  readonly at: number;
};

const memoryOf = ({ state }: TestCluster): Memory => ({
  jobs: [...state.jobs.values()],
  attempts: [...state.jobs.keys()].flatMap((id) => state.attemptsOf(id)),
  at: state.appliedAt,
});

const OVER: readonly JobState[] = ["completed", "failed", "cancelled"];

function nothingOverChanges(before: Memory, after: Memory): void {
  expect(after.at).toBeGreaterThanOrEqual(before.at);
  jobsStayOver(before, after);
  attemptsStayOver(before, after);
}

function jobsStayOver(before: Memory, after: Memory): void {
  for (const old of before.jobs) {
    const now = after.jobs.find(({ id }) => id === old.id);
    expect(now?.submittedIndex).toBe(old.submittedIndex);
    if (OVER.includes(old.state)) expect(now).toBe(old);
    const wasCancelled = old.run !== null && old.run.cancelRequestedAt !== null;
    if (wasCancelled) expect(["completed", "failed", "pending"]).not.toContain(now?.state ?? "");
  }
}

function attemptsStayOver(before: Memory, after: Memory): void {
  for (const old of before.attempts) {
    const now = after.attempts.find(({ id }) => id === old.id);
    expect([now?.nodeId, now?.fence]).toEqual([old.nodeId, old.fence]);
    if (old.state === "exited" || old.state === "declined") expect(now).toBe(old);
    if (old.state === "lost") expect(["lost", "exited"]).toContain(now?.state ?? "");
  }
}

function everyJobFitsItsAttempts({ state }: TestCluster): void {
  for (const one of state.jobs.values()) {
    const attempts = state.attemptsOf(one.id);
    const live = attempts.filter((attempt) => !isOver(attempt));
    const isHeld = one.state === "assigned" || one.state === "running";
    expect(live).toHaveLength(isHeld ? 1 : 0);
    if (isHeld) expect(live[0]).toBe(attempts.at(-1));
    expect(attempts).toHaveLength(one.run?.attempt ?? 0);
    expect(attempts.map(({ fence }) => fence)).toEqual(
      attempts.map(({ fence }) => fence).toSorted((a, b) => a - b),
    );
    const spec = specOf(one.spec);
    const started = attempts.filter((attempt) => attempt.state !== "declined");
    if (spec.once) expect(started.length).toBeLessThanOrEqual(1);
    expect(one.run?.failures ?? 0).toBeLessThanOrEqual(spec.retries.count + 1);
    expect(one.run?.losses ?? 0).toBeLessThanOrEqual(4);
    expect(one.run?.losses ?? 0).toBeGreaterThanOrEqual(0);
  }
}

function indexesAgreeWithRecords({ state }: TestCluster): void {
  const jobs = [...state.jobs.values()];
  for (const [name, count] of Object.entries(state.counts)) {
    expect(count).toBe(jobs.filter((one) => one.state === name).length);
  }
  const pending = jobs
    .filter((one) => one.state === "pending")
    .toSorted((a, b) => a.queueKey - b.queueKey);
  expect([...state.pending()]).toEqual(pending);
  const ready = pending.filter((one) => (one.run?.notBefore ?? 0) <= state.appliedAt);
  expect([...state.ready(state.appliedAt)]).toEqual(ready);
  expect([...state.newestFirst()]).toEqual(
    jobs.toSorted((a, b) => ordinalOf(b.queueKey) - ordinalOf(a.queueKey)),
  );
  for (const { id } of state.nodes.values()) {
    const live = jobs
      .flatMap((one) => state.attemptsOf(one.id))
      .filter((attempt) => attempt.nodeId === id && !isOver(attempt));
    expect(new Set(state.liveAttempts(id))).toEqual(new Set(live));
  }
}

/** The hash of a state that was given the same records in another order. */
function rebuiltHash({ state }: TestCluster): string {
  const rebuilt = new StateStore({
    clusterId: state.clusterId,
    clusterName: state.clusterName,
    featureLevel: state.featureLevel,
    appliedIndex: state.appliedIndex,
    appliedAt: state.appliedAt,
    limits: STATE_LIMITS,
  });
  for (const record of [...state.nodes.values()].toReversed()) rebuilt.putNode(record);
  for (const one of [...state.jobs.values()].toReversed()) {
    rebuilt.addJob(one);
    for (const attempt of state.attemptsOf(one.id).toReversed()) rebuilt.putAttempt(attempt);
  }
  return rebuilt.stateHash();
}
