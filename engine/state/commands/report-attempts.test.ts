import { describe, expect, test } from "bun:test";
import type { Index, UnixMillis } from "../../lib/ids.ts";
import type { RetryPolicy } from "../../lib/job-spec.ts";
import type { AttemptEnd, JobReason } from "../cluster-state.ts";
import { node, TestCluster } from "../state-fixture.ts";

const retries = (change: Partial<RetryPolicy>): RetryPolicy => ({
  count: 1,
  backoffMillis: 5_000,
  maxBackoffMillis: 300_000,
  onExit: [],
  notOnExit: [],
  ...change,
});

describe("report-attempts: the life of an attempt", () => {
  test("starting leaves the job assigned; running means a process runs", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);
    cluster.assign(1);

    cluster.report(1, { phase: "starting" });
    expect(cluster.job(1).state).toBe("assigned");
    cluster.report(1, { phase: "running", startedAt: 5 as UnixMillis, driver: "docker" });

    expect(cluster.job(1)).toMatchObject({ state: "running", run: { startedAt: 5 } });
    expect(cluster.newest(1)).toMatchObject({ state: "running", driver: "docker" });
  });

  test("exit code 0 completes the job and keeps what was measured", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);

    cluster.report(1, {
      end: "exited",
      exitCode: 0,
      finishedAt: 9 as UnixMillis,
      stdoutBytes: 7,
      stderrBytes: 8,
      outputAtLeast: true,
      peakMemoryBytes: 9,
    });

    expect(cluster.job(1)).toMatchObject({
      state: "completed",
      reason: "",
      run: { exitCode: 0, finishedAt: 9, failures: 0 },
    });
    expect(cluster.newest(1)).toMatchObject({
      state: "exited",
      end: "exited",
      stdoutBytes: 7,
      stderrBytes: 8,
      outputAtLeast: true,
      peakMemoryBytes: 9,
    });
  });

  test("a task that was never seen running may report its exit", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);
    cluster.assign(1);

    cluster.report(1, { end: "not-started", detail: "no such file: tru" });

    expect(cluster.job(1)).toMatchObject({
      state: "failed",
      reason: "not-started",
      run: { exitCode: null, detail: "no such file: tru" },
    });
  });

  test.each<[AttemptEnd, number | null, string, JobReason]>([
    ["exited", 3, "", "exit-code"],
    ["exited", 137, "", "killed"],
    ["signalled", null, "SIGSEGV", "signal"],
    ["signalled", 137, "SIGKILL", "killed"],
    ["timeout", 143, "SIGTERM", "timeout"],
    ["start-timeout", null, "", "start-timeout"],
    ["oom-killed", 137, "SIGKILL", "oom-killed"],
    ["output-limit", 137, "", "output-limit"],
    ["not-started", null, "", "not-started"],
    ["no-docker", null, "", "no-docker"],
    ["no-image", null, "", "no-image"],
  ])("%s (%p %s) fails the job with reason %4$s", (end, exitCode, signal, reason) => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);

    cluster.report(1, { end, exitCode, signal });

    expect(cluster.job(1)).toMatchObject({ state: "failed", reason, run: { exitCode, signal } });
  });
});

describe("report-attempts: what does not hold", () => {
  test.each([
    ["another fence", { fence: 1 as Index }],
    ["another node", { nodeId: node(2) }],
  ])("S4: a report with %s changes nothing", (_, wrong) => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.start(1);
    const hash = cluster.state.stateHash();

    const { facts } = cluster.report(1, { end: "exited", exitCode: 0, ...wrong });

    expect(facts.map(({ kind }) => kind)).toEqual(["stale-ignored"]);
    expect(cluster.state.stateHash()).toBe(hash);
  });

  test.each(["starting", "running", "exited", "declined"] as const)(
    "S4: %s after the exit changes nothing",
    (phase) => {
      const cluster = new TestCluster({ nodes: 1 });
      cluster.start(1);
      cluster.finish(1, 0);
      const hash = cluster.state.stateHash();

      const { facts } = cluster.report(1, { phase, end: "exited", exitCode: 9 });

      expect(facts.map(({ kind }) => kind)).toEqual(["stale-ignored"]);
      expect(cluster.state.stateHash()).toBe(hash);
    },
  );

  test.each(["starting", "running", "declined"] as const)(
    "S3: %s after running changes nothing: what runs cannot be handed back",
    (phase) => {
      const cluster = new TestCluster({ nodes: 1 });
      cluster.start(1);

      cluster.report(1, { phase });

      expect(cluster.job(1).state).toBe("running");
    },
  );

  test("S4: the old attempt's result cannot end the new one", () => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.start(1);
    const old = cluster.newest(1);
    cluster.mark(1, "lost");
    cluster.assign(1, 2);

    cluster.reportAttempt(old, { end: "exited", exitCode: 0 });

    expect(cluster.job(1).state).toBe("assigned");
    expect(cluster.attempt(1, 1).state).toBe("lost");
  });
});

describe("report-attempts: retries", () => {
  test("a program failure waits for its backoff, with jitter that every replica derives alike", () => {
    const delays = [1, 2].map(() => {
      const cluster = new TestCluster({ nodes: 1 });
      cluster.start(1, { retries: retries({ count: 3 }) });
      cluster.finish(1, 2);
      expect(cluster.job(1)).toMatchObject({
        state: "pending",
        reason: "backoff",
        run: { failures: 1, losses: 0, cause: "retry", exitCode: null },
      });
      return (cluster.job(1).run?.notBefore ?? 0) - cluster.now;
    });

    expect(delays[0]).toBe(delays[1] ?? -1);
    expect(delays[0]).toBeGreaterThan(0);
    expect(delays[0]).toBeLessThanOrEqual(5_000);
  });

  test("the delay doubles up to its maximum", () => {
    const cluster = new TestCluster({ nodes: 1 });
    const policy = retries({ count: 40, backoffMillis: 1_000, maxBackoffMillis: 8_000 });
    cluster.start(1, { retries: policy });
    let longest = 0;

    for (let failure = 1; failure <= 40; failure++) {
      cluster.finish(1, 1);
      const delay = (cluster.job(1).run?.notBefore ?? cluster.now) - cluster.now;
      expect(delay).toBeLessThanOrEqual(Math.min(8_000, 1_000 * 2 ** (failure - 1)));
      longest = Math.max(longest, delay);
      cluster.wait(8_000);
      cluster.assign(1);
    }

    expect(longest).toBeGreaterThan(4_000);
  });

  test("a job in backoff is ready when replicated time has come that far", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { retries: retries({}) });
    cluster.finish(1, 2);
    const due = cluster.job(1).run?.notBefore ?? (0 as UnixMillis);

    expect([...cluster.state.ready(cluster.now)]).toEqual([]);
    expect(cluster.state.nextDueAt(cluster.now)).toBe(due);
    expect([...cluster.state.ready(due)]).toEqual([cluster.job(1)]);
    cluster.now = due;
    cluster.submit(2);

    expect(cluster.state.nextDueAt(cluster.now)).toBeNull();
    expect([...cluster.state.ready(cluster.now)].map(({ id }) => id)).toEqual([
      cluster.job(1).id,
      cluster.job(2).id,
    ]);
  });

  test("the failure after the last retry fails the job", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { retries: retries({ count: 1 }) });
    cluster.finish(1, 2);
    cluster.assign(1);
    expect(cluster.newest(1)).toMatchObject({ number: 2, cause: "retry" });

    cluster.finish(1, 2);

    expect(cluster.job(1)).toMatchObject({
      state: "failed",
      reason: "exit-code",
      run: { failures: 2, exitCode: 2 },
    });
  });

  test.each<[string, Partial<RetryPolicy>, number, "pending" | "failed"]>([
    ["on_exit lists the code", { onExit: [2] }, 2, "pending"],
    ["on_exit lists another", { onExit: [3] }, 2, "failed"],
    ["not_on_exit lists the code", { notOnExit: [2] }, 2, "failed"],
    ["not_on_exit lists another", { notOnExit: [3] }, 2, "pending"],
  ])("%s", (_, policy, exitCode, state) => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { retries: retries(policy) });

    cluster.finish(1, exitCode);

    expect(cluster.job(1).state).toBe(state);
  });

  test.each(["timeout", "oom-killed"] as const)("%s is a program failure and is retried", (end) => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { retries: retries({}) });

    cluster.report(1, { end });

    expect(cluster.job(1)).toMatchObject({ state: "pending", run: { failures: 1, losses: 0 } });
  });

  test("once never starts a second time, whatever the first attempt did", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { once: true, retries: retries({ count: 5 }) });

    cluster.finish(1, 2);

    expect(cluster.job(1)).toMatchObject({ state: "failed", reason: "exit-code" });
  });
});

describe("report-attempts: what is not the program's doing", () => {
  test.each([
    ["agent-fault", "agent-fault"],
    ["lease-lost", "node-lost"],
    ["drained", "drain"],
    ["cancelled", "agent-fault"],
  ] as const)("%s is charged to the system's budget and runs again (%s)", (end, cause) => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);

    cluster.report(1, { end });

    expect(cluster.job(1)).toMatchObject({
      state: "pending",
      reason: "queued",
      run: { failures: 0, losses: 1, cause, notBefore: null },
    });
  });

  test("the fourth loss is one too many", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);

    for (let loss = 1; loss <= 3; loss++) {
      cluster.report(1, { end: "agent-fault" });
      expect(cluster.job(1).state).toBe("pending");
      cluster.assign(1);
    }
    cluster.report(1, { end: "drained" });

    expect(cluster.job(1)).toMatchObject({
      state: "failed",
      reason: "lost-too-often",
      run: { losses: 4, failures: 0 },
    });
  });

  test.each([
    ["agent-fault", "agent-fault"],
    ["lease-lost", "node-lost"],
    ["drained", "node-lost"],
  ] as const)("once: %s fails the job with %s", (end, reason) => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { once: true });

    cluster.report(1, { end });

    expect(cluster.job(1)).toMatchObject({ state: "failed", reason });
  });

  test.each([
    ["agent-fault", "failed"],
    ["lease-lost", "failed"],
    ["drained", "pending"],
  ] as const)("on_lost fail: %s leaves the job %s", (end, state) => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1, { onLost: "fail" });

    cluster.report(1, { end });

    expect(cluster.job(1).state).toBe(state);
  });
});

describe("report-attempts: declined", () => {
  test("a declined attempt goes back to its place in the queue, uncharged", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);
    cluster.submit(2);
    cluster.assign(1);

    cluster.decline(1);

    expect(cluster.job(1)).toMatchObject({
      state: "pending",
      reason: "queued",
      run: { failures: 0, losses: 0, cause: "declined" },
    });
    expect([...cluster.state.pending()].map(({ id }) => id)).toEqual([
      cluster.job(1).id,
      cluster.job(2).id,
    ]);
  });

  test("S12: declines in a row get slower and slower, so they cannot flood the log", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);
    const delays: number[] = [];

    for (let decline = 1; decline <= 12; decline++) {
      cluster.assign(1);
      cluster.decline(1);
      delays.push((cluster.job(1).run?.notBefore ?? cluster.now) - cluster.now);
      cluster.wait(60_000);
    }

    expect(delays.slice(0, 4)).toEqual([0, 1_000, 2_000, 4_000]);
    expect(delays.at(-1)).toBe(60_000);
  });

  test("once may be declined: nothing has started", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1, { once: true });
    cluster.assign(1);

    cluster.decline(1);

    expect(cluster.job(1).state).toBe("pending");
  });

  test("S5: a decline that comes after the undrain counts no more: the attempt may have begun", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);
    cluster.assign(1);
    cluster.run({ kind: "drain-node", nodeId: node(1), deadlineMillis: 1_000, message: "" });
    cluster.run({ kind: "undrain-node", nodeId: node(1) });

    cluster.report(1, { phase: "declined" });

    expect(cluster.job(1).state).toBe("assigned");
    expect(cluster.newest(1).state).toBe("assigned");
  });

  test("S5: what is starting cannot be handed back, on a draining node either", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1);
    cluster.assign(1);
    cluster.report(1, { phase: "starting" });

    cluster.decline(1);

    expect(cluster.newest(1).state).toBe("starting");
  });
});
