import { describe, expect, test } from "bun:test";
import { job, TestCluster } from "../state-fixture.ts";

describe("cancel-job", () => {
  test("S7: a pending job is cancelled at once and leaves the queue", () => {
    const cluster = new TestCluster();
    cluster.submit(1);

    expect(cluster.cancel(1)).toMatchObject({ kind: "ok", existed: false });

    expect(cluster.job(1)).toMatchObject({ state: "cancelled", reason: "", run: { attempt: 0 } });
    expect([...cluster.state.pending()]).toEqual([]);
  });

  test("S7: a job in backoff is cancelled at once and never starts again", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, {
      retries: {
        count: 3,
        backoffMillis: 60_000,
        maxBackoffMillis: 60_000,
        onExit: [],
        notOnExit: [],
      },
    });
    cluster.finish(1, 1);

    cluster.cancel(1);

    expect(cluster.job(1)).toMatchObject({
      state: "cancelled",
      run: { attempt: 1, notBefore: null },
    });
    expect(cluster.state.nextDueAt(cluster.now)).toBeNull();
  });

  test.each(["assigned", "running"] as const)(
    "S7: a job that is %s is cancelling until its executor reports",
    (state) => {
      const cluster = new TestCluster({ nodes: 1 });
      cluster.submit(1);
      cluster.assign(1);
      if (state === "running") cluster.report(1, { phase: "running" });

      cluster.cancel(1);

      expect(cluster.job(1)).toMatchObject({ state, reason: "cancelling" });
    },
  );

  test("a job that starts to run while it is being cancelled stays cancelling", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);
    cluster.assign(1);
    cluster.cancel(1);

    cluster.report(1, { phase: "running" });

    expect(cluster.job(1)).toMatchObject({ state: "running", reason: "cancelling" });
  });

  test.each([
    ["completed", { end: "exited", exitCode: 0 }],
    ["failed", { end: "exited", exitCode: 3 }],
    ["killed by the cancel", { end: "cancelled", exitCode: 143, signal: "SIGTERM" }],
    ["timed out", { end: "timeout", exitCode: 137 }],
    ["lost to its agent", { end: "agent-fault", exitCode: null }],
  ] as const)(
    "S8: a task that %s after the cancel leaves the job cancelled, with its code",
    (_, how) => {
      const cluster = new TestCluster({ nodes: 1 });
      cluster.start(1, {
        retries: { count: 9, backoffMillis: 1, maxBackoffMillis: 1, onExit: [], notOnExit: [] },
      });
      cluster.cancel(1);

      cluster.report(1, how);

      expect(cluster.job(1)).toMatchObject({
        state: "cancelled",
        reason: "",
        run: { exitCode: how.exitCode },
      });
      expect(cluster.state.liveAttempts(cluster.node(1).id)).toEqual([]);
    },
  );

  test("a declined attempt of a job being cancelled ends it (C3: never back to pending)", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);
    cluster.assign(1);
    cluster.cancel(1);

    cluster.decline(1);

    expect(cluster.job(1).state).toBe("cancelled");
  });

  test("cancelling twice is the same as once", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);
    cluster.cancel(1);

    expect(cluster.cancel(1)).toMatchObject({ kind: "ok", existed: true });
  });

  test("S8: a job that was over first says how it ended", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);
    cluster.finish(1, 4);

    expect(cluster.cancel(1)).toEqual({
      kind: "refused",
      refusal: { kind: "already-over", jobId: job(1), state: "failed", exitCode: 4 },
    });
    expect(cluster.job(1).state).toBe("failed");
  });

  test("an unknown job is refused", () => {
    const cluster = new TestCluster();

    expect(cluster.cancel(1)).toEqual({
      kind: "refused",
      refusal: { kind: "unknown-job", jobId: job(1) },
    });
  });
});
