import { describe, expect, test } from "bun:test";
import { job, node, nodeInfo, TestCluster } from "../state-fixture.ts";

describe("mark-node: lost", () => {
  test.each(["assigned", "running"] as const)(
    "S5: a %s attempt of a rerun job is lost and the job waits again, with the reason",
    (state) => {
      const cluster = new TestCluster({ nodes: 2 });
      cluster.submit(1);
      cluster.assign(1);
      if (state === "running") cluster.report(1, { phase: "running" });

      cluster.mark(1, "lost");

      expect(cluster.attempt(1, 1)).toMatchObject({ state: "lost", end: null });
      expect(cluster.job(1)).toMatchObject({
        state: "pending",
        reason: "queued",
        run: { cause: "node-lost", losses: 1, failures: 0 },
      });
      cluster.assign(1, 2);
      expect(cluster.newest(1)).toMatchObject({ number: 2, cause: "node-lost" });
    },
  );

  test("on_lost fail ends the job", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { onLost: "fail" });

    cluster.mark(1, "lost");

    expect(cluster.job(1)).toMatchObject({ state: "failed", reason: "node-lost" });
  });

  test("once ends the job, also when nobody saw it start", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1, { once: true });
    cluster.assign(1);

    cluster.mark(1, "lost");

    expect(cluster.job(1)).toMatchObject({ state: "failed", reason: "node-lost" });
  });

  test("on_lost wait leaves attempt and job as they are, until the node reports", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { onLost: "wait" });

    cluster.mark(1, "lost");
    expect(cluster.job(1).state).toBe("running");
    expect(cluster.state.liveAttempts(node(1))).toHaveLength(1);
    cluster.finish(1, 0);

    expect(cluster.job(1).state).toBe("completed");
  });

  test("S7: a job being cancelled is cancelled when its node is lost", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { onLost: "fail" });
    cluster.cancel(1);

    cluster.mark(1, "lost");

    expect(cluster.job(1)).toMatchObject({ state: "cancelled", run: { exitCode: null } });
  });

  test("on_lost wait: a cancelled job is cancelled only when the node confirms", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { onLost: "wait" });
    cluster.cancel(1);

    cluster.mark(1, "lost");
    expect(cluster.job(1)).toMatchObject({ state: "running", reason: "cancelling" });
    cluster.mark(1, "alive");
    cluster.report(1, { end: "cancelled", exitCode: 143 });

    expect(cluster.job(1)).toMatchObject({ state: "cancelled", run: { exitCode: 143 } });
  });

  test("the fourth lost node is one too many", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);

    for (let loss = 1; loss <= 4; loss++) {
      cluster.assign(1);
      cluster.mark(1, "lost");
      cluster.mark(1, "alive");
    }

    expect(cluster.job(1)).toMatchObject({ state: "failed", reason: "lost-too-often" });
  });

  test("only the lost node's attempts are lost", () => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.start(1, {}, 1);
    cluster.start(2, {}, 2);

    cluster.mark(1, "lost");

    expect(cluster.job(2).state).toBe("running");
  });

  test("marking twice changes nothing the second time", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.mark(1, "lost");

    const { facts, outcomes } = cluster.mark(1, "lost");

    expect(facts).toEqual([]);
    expect(outcomes).toMatchObject([{ kind: "ok", existed: true }]);
  });

  test("an unknown node is refused", () => {
    const { outcomes } = new TestCluster().mark(9, "lost");

    expect(outcomes).toEqual([
      { kind: "refused", refusal: { kind: "unknown-node", nodeId: node(9) } },
    ]);
  });
});

describe("mark-node: a node that comes back", () => {
  test("is eligible again", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.mark(1, "lost");
    cluster.mark(1, "alive");
    cluster.submit(1);

    cluster.assign(1);

    expect(cluster.job(1).state).toBe("assigned");
  });

  test("brings a finished result that counts while the job has no newer attempt", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);
    const attempt = cluster.newest(1);
    cluster.mark(1, "lost");
    cluster.mark(1, "alive");

    cluster.reportAttempt(attempt, { end: "exited", exitCode: 0 });

    expect(cluster.job(1)).toMatchObject({ state: "completed", run: { losses: 0 } });
    expect(cluster.attempt(1, 1)).toMatchObject({ state: "exited", exitCode: 0 });
    expect([...cluster.state.pending()]).toEqual([]);
  });

  test.each(["lease-lost", "agent-fault"] as const)(
    "brings %s, which the loss has said already",
    (end) => {
      const cluster = new TestCluster({ nodes: 1 });
      cluster.start(1);
      const attempt = cluster.newest(1);
      cluster.mark(1, "lost");

      const { facts } = cluster.reportAttempt(attempt, { end });

      expect(facts.map(({ kind }) => kind)).toEqual(["stale-ignored"]);
      expect(cluster.job(1)).toMatchObject({ state: "pending", run: { losses: 1 } });
    },
  );

  test("S4: brings a result too late for a job that has failed meanwhile", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { once: true });
    const attempt = cluster.newest(1);
    cluster.mark(1, "lost");

    cluster.reportAttempt(attempt, { end: "exited", exitCode: 0 });

    expect(cluster.job(1).state).toBe("failed");
  });

  test("S4: brings a result of an attempt that is not the newest, though the job waits", () => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.start(1);
    const attempt = cluster.newest(1);
    cluster.mark(1, "lost");
    cluster.assign(1, 2);
    cluster.decline(1);

    cluster.reportAttempt(attempt, { end: "exited", exitCode: 0 });

    expect(cluster.job(1).state).toBe("pending");
  });

  test("cannot revive an attempt by reporting that it runs", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);
    const attempt = cluster.newest(1);
    cluster.mark(1, "lost");

    cluster.reportAttempt(attempt, { phase: "running" });

    expect(cluster.job(1).state).toBe("pending");
    expect(cluster.state.attemptsOf(job(1))).toMatchObject([{ state: "lost" }]);
  });

  test("registering again makes it alive", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.mark(1, "lost");

    cluster.run({ kind: "register-node", node: nodeInfo(1) });

    expect(cluster.node(1).liveness).toBe("alive");
  });
});
