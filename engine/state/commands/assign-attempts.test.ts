import { describe, expect, test } from "bun:test";
import type { Change } from "../apply.ts";
import type { CommandBody } from "../command.ts";
import { job, node, nodeInfo, TestCluster } from "../state-fixture.ts";

const ignored = (change: Change) => change.facts.filter(({ kind }) => kind === "stale-ignored");

describe("assign-attempts", () => {
  test("S3: the attempt is recorded with the entry's index as its fence", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);

    const { facts } = cluster.assign(1);

    expect(cluster.attempt(1, 1)).toMatchObject({
      state: "assigned",
      nodeId: node(1),
      fence: cluster.state.appliedIndex,
      cause: "first",
    });
    expect(cluster.job(1)).toMatchObject({
      state: "assigned",
      run: { attempt: 1, nodeId: node(1) },
    });
    expect(facts.map(({ kind }) => kind)).toEqual(["job-changed", "attempt-changed"]);
  });

  test("S5: a job that is no longer pending gets no second attempt", () => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.submit(1);
    cluster.assign(1, 1);

    const change = cluster.change({
      kind: "assign-attempts",
      assignments: [{ jobId: job(1), number: 2, nodeId: node(2), cause: "retry" }],
    });

    expect(ignored(change)).toHaveLength(1);
    expect(cluster.state.attemptsOf(job(1))).toHaveLength(1);
  });

  test.each([0, 2, 7])("an assignment numbered %d instead of 1 is stale", (number) => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);

    const change = cluster.change({
      kind: "assign-attempts",
      assignments: [{ jobId: job(1), number, nodeId: node(1), cause: "first" }],
    });

    expect(ignored(change)).toHaveLength(1);
    expect(cluster.job(1).state).toBe("pending");
  });

  test.each<CommandBody>([
    { kind: "mark-node", nodeId: node(2), liveness: "lost" },
    { kind: "drain-node", nodeId: node(2), deadlineMillis: 1, message: "" },
    { kind: "register-node", node: nodeInfo(2, { roles: ["server"] }) },
  ])("S10: after $kind (lost, draining, no worker) the node gets nothing", (body) => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.submit(1);
    cluster.run(body);

    const change = cluster.assign(1, 2);

    expect(ignored(change)).toHaveLength(1);
    expect(cluster.job(1).state).toBe("pending");
  });

  test("a node nobody knows gets nothing", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);

    expect(ignored(cluster.assign(1, 9))).toHaveLength(1);
  });

  test("a node known from the founding gets nothing before it has registered", () => {
    const cluster = new TestCluster();
    cluster.state.putNode({
      ...nodeInfo(1),
      id: node(1),
      seat: "voter",
      liveness: "alive",
      drain: null,
      registered: false,
    });
    cluster.submit(1);

    expect(ignored(cluster.assign(1, 1))).toHaveLength(1);
  });

  test("one stale assignment does not spoil the others", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);
    cluster.submit(2);
    cluster.cancel(1);

    const change = cluster.change({
      kind: "assign-attempts",
      assignments: [
        { jobId: job(1), number: 1, nodeId: node(1), cause: "first" },
        { jobId: job(2), number: 1, nodeId: node(1), cause: "first" },
      ],
    });

    expect(ignored(change)).toHaveLength(1);
    expect(cluster.job(2).state).toBe("assigned");
  });
});
