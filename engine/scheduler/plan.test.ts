import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import type { NodeId, UnixMillis } from "../lib/ids.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import type { RegisterNode } from "../state/command.ts";
import { job, node, nodeInfo, TestCluster } from "../state/state-fixture.ts";
import { PLAN_LIMITS, type Plan, type PlanInput, plan } from "./plan.ts";
import { whyWaiting } from "./why-waiting.ts";

const MIB = 1024 * 1024;

const planFor = (cluster: TestCluster, change: Partial<PlanInput> = {}): Plan =>
  plan({
    view: cluster.state,
    now: cluster.now,
    suspects: new Set(),
    unanswering: new Set(),
    lowOnDisk: new Set(),
    inFlight: [],
    policy: "least-loaded",
    limits: PLAN_LIMITS,
    ...change,
  });

const placed = ({ assignments }: Plan): readonly string[] =>
  assignments.map(({ jobId, number, nodeId }) => `${Number(jobId)}.${number} ${nodeId}`);

const needs = (cpuMillis: number, change: Partial<JobSpec> = {}): Partial<JobSpec> => ({
  resources: { cpuMillis, memoryBytes: 64 * MIB, pids: 16 },
  ...change,
});

function clusterOf(...nodes: readonly Partial<RegisterNode>[]): TestCluster {
  const cluster = new TestCluster({ nodes: nodes.length });
  nodes.forEach((change, i) => {
    cluster.run({ kind: "register-node", node: nodeInfo(i + 1, change) });
  });
  return cluster;
}

/** Proposes and applies a plan, as the leader would. */
function carryOut(cluster: TestCluster): Plan {
  const made = planFor(cluster);
  cluster.change({ kind: "assign-attempts", assignments: made.assignments });
  return made;
}

describe("plan: where", () => {
  test("jobs spread over the least loaded nodes, ties to the smaller id", () => {
    const cluster = clusterOf({}, {}, {});
    for (let number = 1; number <= 4; number++) cluster.submit(number);

    expect(placed(planFor(cluster))).toEqual(["1.1 n1", "2.1 n2", "3.1 n3", "4.1 n1"]);
  });

  test("a node that does not answer the leader gets what no other can take", () => {
    const cluster = clusterOf({}, { slots: 1 });
    for (let number = 1; number <= 2; number++) cluster.submit(number);
    const unanswering = new Set([node(1)]);

    expect(placed(planFor(cluster))).toEqual(["1.1 n1", "2.1 n1"]);
    expect(placed(planFor(cluster, { unanswering }))).toEqual(["1.1 n2", "2.1 n1"]);
  });

  test("N9: load is what live attempts hold, and ends with them", () => {
    const cluster = clusterOf({}, {});
    cluster.start(1, needs(3_000), 1);
    cluster.submit(2);
    expect(placed(planFor(cluster))).toEqual(["2.1 n2"]);

    cluster.finish(1, 0);
    cluster.start(3, needs(1_000), 2);

    expect(placed(planFor(cluster))).toEqual(["2.1 n1"]);
  });

  test("slots, cpu and memory are reserved, also by what is only assigned", () => {
    const cluster = clusterOf({ slots: 2, cpuMillis: 1_000, memoryBytes: 256 * MIB });
    const light = { resources: { cpuMillis: 1, memoryBytes: MIB, pids: 1 } };
    for (let number = 1; number <= 3; number++) cluster.submit(number, light);

    expect(placed(carryOut(cluster))).toEqual(["1.1 n1", "2.1 n1"]);
    expect(placed(planFor(cluster))).toEqual([]);
  });

  test.each<[string, Partial<RegisterNode>]>([
    ["cpu", { cpuMillis: 400 }],
    ["memory", { memoryBytes: 128 * MIB }],
    ["slots", { slots: 0 }],
    ["the docker driver", { drivers: ["bubblewrap"] }],
    ["the worker role", { roles: ["server"] }],
  ])("a node that lacks %s is passed over", (_, lack) => {
    const cluster = clusterOf(lack, {});
    cluster.submit(1, { image: "alpine:3.20" });

    expect(placed(planFor(cluster))).toEqual(["1.1 n2"]);
  });

  test("draining, lost and suspect nodes (S10), and those low on disk (S17), get no new work", () => {
    const cluster = clusterOf({}, {}, {}, {}, {});
    cluster.run({ kind: "drain-node", nodeId: node(1), deadlineMillis: 1_000, message: "" });
    cluster.mark(2, "lost");
    cluster.submit(1);

    const suspects = new Set([node(3)]);
    const made = planFor(cluster, { suspects, lowOnDisk: new Set([node(4)]) });

    expect(placed(made)).toEqual(["1.1 n5"]);
  });

  test.each<[Partial<JobSpec>, readonly string[]]>([
    [{ driver: "process" }, ["bubblewrap"]],
    [{ driver: "process" }, ["unshare"]],
    [{ driver: "plain" }, ["plain"]],
    [{ driver: "docker" }, ["docker"]],
    [{ image: "alpine" }, ["docker"]],
    [{ driver: "auto" }, ["plain"]],
  ])("%j goes to the node whose drivers are %j", (spec, drivers) => {
    const cluster = clusterOf({ drivers: [] }, { drivers });
    cluster.submit(1, spec);

    expect(placed(planFor(cluster))).toEqual(["1.1 n2"]);
  });

  test("a driver that no node has is not waited for: the node will refuse and say why", () => {
    const cluster = clusterOf({ drivers: ["bubblewrap"] });
    cluster.submit(1, { image: "alpine:3.20" });

    expect(placed(planFor(cluster))).toEqual(["1.1 n1"]);
  });

  test("a driver is waited for while a node that has it is away", () => {
    const cluster = clusterOf({ drivers: ["bubblewrap"] }, { drivers: ["docker"] });
    cluster.mark(2, "lost");
    cluster.submit(1, { image: "alpine:3.20" });

    expect(placed(planFor(cluster))).toEqual([]);
  });

  test("the next attempt goes elsewhere when another node fits, and back when none does", () => {
    const cluster = clusterOf({}, { cpuMillis: 1_000 });
    cluster.start(1, {}, 1);
    cluster.report(1, { end: "agent-fault" });

    expect(planFor(cluster).assignments).toEqual([
      { jobId: job(1), number: 2, nodeId: node(2), cause: "agent-fault" },
    ]);
    expect(placed(planFor(cluster, { suspects: new Set([node(2)]) }))).toEqual(["1.2 n1"]);
  });

  test("assignments on their way hold their room and are not made twice", () => {
    const cluster = clusterOf({ slots: 2 });
    for (let number = 1; number <= 3; number++) cluster.submit(number);
    const inFlight = planFor(cluster, {
      limits: { ...PLAN_LIMITS, assignmentsMax: 1 },
    }).assignments;

    expect(inFlight).toHaveLength(1);
    expect(placed(planFor(cluster, { inFlight }))).toEqual(["2.1 n1"]);
  });
});

describe("plan: in which order", () => {
  test("priority first, then submission", () => {
    const cluster = clusterOf({ slots: 3 });
    cluster.submit(1, { priority: 10 });
    cluster.submit(2, { priority: 50 });
    cluster.submit(3, { priority: 90 });
    cluster.submit(4, { priority: 50 });

    expect(placed(planFor(cluster))).toEqual(["3.1 n1", "2.1 n1", "4.1 n1"]);
  });

  test("a job that fits nowhere keeps a node, so later small jobs fill only the others", () => {
    const cluster = clusterOf({ cpuMillis: 4_000 }, { cpuMillis: 2_000 });
    cluster.start(1, needs(1_000), 1);
    cluster.submit(2, needs(4_000));
    for (let number = 3; number <= 8; number++) cluster.submit(number, needs(1_000));

    expect(placed(planFor(cluster))).toEqual(["3.1 n2", "4.1 n2"]);
  });

  test("small jobs that keep coming do not starve a big one", () => {
    const cluster = clusterOf({ cpuMillis: 2_000 }, { cpuMillis: 2_000 });
    for (let number = 1; number <= 4; number++) cluster.submit(number, needs(1_000));
    carryOut(cluster);
    cluster.submit(100, needs(2_000));

    let next = 101;
    for (let turn = 0; turn < 8 && cluster.job(100).state === "pending"; turn++) {
      cluster.submit(next, needs(1_000));
      next += 1;
      const running = [1, 2].flatMap((number) => cluster.state.liveAttempts(node(number)));
      const [oldest] = running.toSorted((a, b) => a.fence - b.fence);
      if (oldest !== undefined) cluster.reportAttempt(oldest, { end: "exited", exitCode: 0 });
      carryOut(cluster);
    }

    expect(cluster.job(100).state).toBe("assigned");
  });

  test("a job that is too large for every node delays nobody", () => {
    const cluster = clusterOf({});
    cluster.submit(1, needs(64_000));
    cluster.submit(2);

    expect(placed(planFor(cluster))).toEqual(["2.1 n1"]);
  });

  test("backoff is skipped until its time, and then keeps the job's place", () => {
    const cluster = clusterOf({});
    const retries = {
      count: 1,
      backoffMillis: 5_000,
      maxBackoffMillis: 5_000,
      onExit: [],
      notOnExit: [],
    };
    cluster.start(1, { retries });
    cluster.finish(1, 1);
    cluster.submit(2);
    const due = cluster.job(1).run?.notBefore ?? (0 as UnixMillis);

    const early = planFor(cluster);
    expect(placed(early)).toEqual(["2.1 n1"]);
    expect(early.nextDueAt).toBe(due);

    const late = planFor(cluster, { now: due });
    expect(placed(late)).toEqual(["1.2 n1", "2.1 n1"]);
    expect(late.nextDueAt).toBeNull();
  });
});

describe("plan: limits", () => {
  test("S12: one plan assigns no more than its limit", () => {
    const cluster = clusterOf({ slots: 10, cpuMillis: 100_000 });
    for (let number = 1; number <= 9; number++) cluster.submit(number);

    const made = planFor(cluster, { limits: { ...PLAN_LIMITS, assignmentsMax: 5 } });

    expect(made.assignments).toHaveLength(5);
  });

  test("S12: jobs that no node could take are looked at up to a limit", () => {
    const cluster = clusterOf({});
    for (let number = 1; number <= 3; number++) cluster.submit(number, needs(64_000));
    cluster.submit(4);

    expect(placed(planFor(cluster, { limits: { ...PLAN_LIMITS, lookAheadMax: 3 } }))).toEqual([]);
    expect(placed(planFor(cluster, { limits: { ...PLAN_LIMITS, lookAheadMax: 4 } }))).toEqual([
      "4.1 n1",
    ]);
  });

  test("without room the queue is not read at all", () => {
    const cluster = clusterOf({ slots: 1 });
    cluster.start(1);
    for (let number = 2; number <= 50; number++) cluster.submit(number);
    let read = 0;
    const view = new Proxy(cluster.state, {
      get(target, name) {
        if (name === "ready") read += 1;
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });

    expect(placed(planFor(cluster, { view }))).toEqual([]);
    expect(read).toBe(0);
  });

  test("an empty cluster plans nothing", () => {
    const cluster = new TestCluster();
    cluster.submit(1);

    expect(planFor(cluster)).toEqual({ assignments: [], waiting: new Map(), nextDueAt: null });
  });
});

describe("plan: every cluster", () => {
  const size = fc.record({
    slots: fc.nat({ max: 4 }),
    cpuMillis: fc.constantFrom(0, 500, 1_000, 4_000),
    memoryBytes: fc.constantFrom(0, 64 * MIB, 256 * MIB),
    drivers: fc.constantFrom<readonly string[]>(
      [],
      ["docker"],
      ["bubblewrap"],
      ["docker", "plain"],
    ),
  });
  const wanted = fc.record({
    cpuMillis: fc.constantFrom(100, 500, 1_000, 8_000),
    memoryBytes: fc.constantFrom(16 * MIB, 64 * MIB, 512 * MIB),
    priority: fc.nat({ max: 2 }),
    image: fc.constantFrom("", "alpine"),
  });

  test("no node is ever promised more than it has, and every assignment holds at apply", () => {
    fc.assert(
      fc.property(
        fc.array(size, { minLength: 1, maxLength: 4 }),
        fc.array(wanted, { minLength: 1, maxLength: 20 }),
        (sizes, jobs) => {
          const cluster = clusterOf(...sizes);
          jobs.forEach(({ cpuMillis, memoryBytes, priority, image }, i) => {
            const resources = { cpuMillis, memoryBytes, pids: 1 };
            cluster.submit(i + 1, { resources, priority, image });
          });

          const made = planFor(cluster);
          const { facts } = cluster.change({
            kind: "assign-attempts",
            assignments: made.assignments,
          });

          expect(facts.filter(({ kind }) => kind === "stale-ignored")).toEqual([]);
          sizes.forEach((has, i) => {
            expect(heldBy(cluster, node(i + 1), jobs)).toSatisfy(
              (held: Held) =>
                held.slots <= has.slots &&
                held.cpuMillis <= has.cpuMillis &&
                held.memoryBytes <= has.memoryBytes,
            );
          });
        },
      ),
      { numRuns: 300 },
    );
  });

  type Held = { readonly slots: number; readonly cpuMillis: number; readonly memoryBytes: number };

  function heldBy(
    cluster: TestCluster,
    nodeId: NodeId,
    jobs: readonly { readonly cpuMillis: number; readonly memoryBytes: number }[],
  ): Held {
    const live = cluster.state.liveAttempts(nodeId);
    const wants = live.map(({ jobId }) => jobs[Number(jobId) - 1]);
    return {
      slots: live.length,
      cpuMillis: wants.reduce((sum, want) => sum + (want?.cpuMillis ?? 0), 0),
      memoryBytes: wants.reduce((sum, want) => sum + (want?.memoryBytes ?? 0), 0),
    };
  }
});

describe("why a job waits", () => {
  const ask = (cluster: TestCluster, number: number, change: Partial<PlanInput> = {}) =>
    whyWaiting(
      {
        view: cluster.state,
        now: cluster.now,
        suspects: new Set(),
        lowOnDisk: new Set(),
        inFlight: [],
        ...change,
      },
      job(number),
    );

  test("every node says what is in the way there", () => {
    const cluster = clusterOf(
      ...[{ slots: 1 }, {}, {}, {}, { cpuMillis: 100 }, { drivers: ["plain"] }, {}],
    );
    cluster.start(1, {}, 1);
    cluster.run({ kind: "drain-node", nodeId: node(2), deadlineMillis: 1_000, message: "" });
    cluster.mark(3, "lost");
    cluster.submit(2, { image: "alpine" });

    const suspects = new Set([node(4)]);
    const waiting = ask(cluster, 2, { suspects, lowOnDisk: new Set([node(7)]) });

    expect(waiting).toEqual({
      sentence: "it waits for running work to end",
      nodes: [
        { nodeId: node(1), reason: "is full: it lacks a slot" },
        { nodeId: node(2), reason: "is draining" },
        { nodeId: node(3), reason: "is lost" },
        { nodeId: node(4), reason: "has been silent for some seconds" },
        { nodeId: node(5), reason: "is too small: it lacks 0.4 cpu" },
        { nodeId: node(6), reason: "has none of the drivers docker" },
        { nodeId: node(7), reason: "has too little room on its disk" },
      ],
    });
  });

  test("a plan explains the jobs it could not place", () => {
    const cluster = clusterOf({ cpuMillis: 1_000 });
    cluster.start(1, needs(600));
    cluster.submit(2, needs(600));

    expect(planFor(cluster).waiting.get(job(2))?.nodes).toEqual([
      { nodeId: node(1), reason: "is full: it lacks 0.2 cpu" },
    ]);
  });

  test("a job no node is large enough for is told so", () => {
    const cluster = clusterOf({});
    cluster.submit(1, needs(64_000));

    expect(ask(cluster, 1)?.sentence).toBe("no node that takes work is large enough for it");
  });

  test("jobs ahead are counted", () => {
    const cluster = clusterOf({ slots: 0 });
    for (let number = 1; number <= 3; number++) cluster.submit(number);

    expect(ask(cluster, 2)?.sentence).toStartWith("one job is ahead of it; ");
    expect(ask(cluster, 3)?.sentence).toStartWith("2 jobs are ahead of it; ");
  });

  test("a job in backoff says when it is tried again", () => {
    const cluster = clusterOf({});
    const retries = {
      count: 1,
      backoffMillis: 60_000,
      maxBackoffMillis: 60_000,
      onExit: [],
      notOnExit: [],
    };
    cluster.start(1, { retries });
    cluster.finish(1, 1);

    expect(ask(cluster, 1)?.sentence).toMatch(
      /^its last attempt failed: it is tried again in \d+ s$/,
    );
  });

  test("a job on its way, one that runs and one unknown", () => {
    const cluster = clusterOf({});
    cluster.submit(1);
    const inFlight = planFor(cluster).assignments;
    cluster.start(2);

    expect(ask(cluster, 1, { inFlight })?.sentence).toBe("it is being placed");
    expect(ask(cluster, 2)).toBeNull();
    expect(ask(cluster, 3)).toBeNull();
  });
});
