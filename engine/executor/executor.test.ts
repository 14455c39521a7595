import { describe, expect, test } from "bun:test";
import type { AttemptId, JobId, NodeId } from "../lib/ids.ts";
import { SPEC_DEFAULTS } from "../lib/job-spec.ts";
import { WorkCluster, type WorkNode } from "./testing/work-cluster.ts";

const JOB = "0123456789ab";
const FIRST = `${JOB}.1` as AttemptId;
const SECOND = `${JOB}.2` as AttemptId;

const runsOn = (cluster: WorkCluster, attemptId: string): WorkNode => {
  const nodeId = cluster.attempt(attemptId)?.nodeId;
  const found = cluster.work.find((node) => node.nodeId === nodeId);
  if (found === undefined) throw new Error(`${attemptId} runs nowhere`);
  return found;
};

const stateOf = (cluster: WorkCluster): string => cluster.job(JOB)?.state ?? "unknown";

const setRunMillis = (cluster: WorkCluster, millis: number): void => {
  for (const { host } of cluster.work) host.runMillis = millis;
};

describe("the lease of the task host", () => {
  const newestOf = ({ host }: WorkNode) => host.leases.at(-1)?.sentAtBootMillis ?? 0;

  test("is renewed rarely while it has no tasks, but long before it could end", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    const node = runsOnFirst(cluster);
    const before = node.host.leases.length;
    let oldestMillis = 0;

    for (let second = 0; second < 60; second++) {
      cluster.world.advance(1_000);
      const ageMillis = cluster.world.clock.monotonicMillis() - newestOf(node);
      oldestMillis = Math.max(oldestMillis, ageMillis);
    }

    expect(node.host.leases.length - before).toBeLessThanOrEqual(10);
    expect(oldestMillis).toBeLessThan(8_000);
  });

  test("is renewed with every heartbeat while it has one, and at once when it gets one", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    setRunMillis(cluster, 60_000);
    const node = runsOnFirst(cluster);
    cluster.world.advance(5_000);
    cluster.submit(JOB);
    cluster.world.advanceUntil(() => node.host.starts.length > 0);
    const startedAt = cluster.world.clock.monotonicMillis();

    expect(startedAt - newestOf(node)).toBeLessThan(2_100);
    for (let second = 0; second < 30; second++) {
      cluster.world.advance(1_000);
      expect(cluster.world.clock.monotonicMillis() - newestOf(node)).toBeLessThan(3_100);
    }
  });
});

describe("a job on a single node", () => {
  test("goes from pending to completed", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    const states: string[] = [];
    cluster.leader().replica.listen({
      onFacts: (facts) => {
        for (const fact of facts) if (fact.kind === "job-changed") states.push(fact.state);
      },
    });

    cluster.submit(JOB);
    cluster.world.advance(500);

    expect(states).toEqual(["pending", "assigned", "running", "completed"]);
    expect(cluster.job(JOB)?.run?.exitCode).toBe(0);
    expect(runsOn(cluster, FIRST).host.starts).toEqual([FIRST]);
  });

  test("a short job is over within a few milliseconds of its submission", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    setRunMillis(cluster, 5);

    cluster.submit(JOB);
    const submittedAt = cluster.world.clock.monotonicMillis();
    cluster.world.advanceUntil(() => stateOf(cluster) === "completed");

    expect(cluster.world.clock.monotonicMillis() - submittedAt).toBeLessThan(40);
  });

  test("only a slow start is told: a short one is not worth an entry of the log", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    setRunMillis(cluster, 5_000);
    const starts: string[] = [];
    cluster.leader().replica.listen({
      onFacts: (facts) => {
        for (const fact of facts) {
          if (fact.kind === "attempt-changed" && fact.state === "starting")
            starts.push(fact.attemptId);
        }
      },
    });

    cluster.submit(JOB);
    cluster.world.advance(6_000);
    runsOnFirst(cluster).host.startMillis = 2_000;
    cluster.submit("slow56789abc");
    cluster.world.advance(1_600);

    expect(starts).toEqual(["slow56789abc.1"]);
  });

  test("a failing program ends failed with its own exit code", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    runsOnFirst(cluster).host.exitCode = 7;

    cluster.submit(JOB);
    cluster.world.advance(500);

    expect(stateOf(cluster)).toBe("failed");
    expect(cluster.job(JOB)?.run?.exitCode).toBe(7);
  });

  test("a cancelled job is stopped, and cancelled once that is confirmed", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    setRunMillis(cluster, 60_000);
    cluster.submit(JOB);
    cluster.world.advanceUntil(() => stateOf(cluster) === "running");

    cluster.proposeSoon({ kind: "cancel-job", jobId: JOB as JobId });
    cluster.world.advance(100);

    expect(stateOf(cluster)).toBe("cancelled");
    const stops = runsOnFirst(cluster).host.stops;
    expect(stops.map(({ reason }) => reason)).toEqual(["cancelled"]);
  });

  test("a restarted agent adopts what runs and starts nothing twice", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    setRunMillis(cluster, 3_000);
    cluster.submit(JOB);
    cluster.world.advanceUntil(() => stateOf(cluster) === "running");

    cluster.restartExecutor(runsOnFirst(cluster));
    cluster.world.advance(5_000);

    expect(stateOf(cluster)).toBe("completed");
    expect(runsOnFirst(cluster).host.starts).toEqual([FIRST]);
  });

  test("what exited while the agent was away is reported", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    setRunMillis(cluster, 500);
    cluster.submit(JOB);
    cluster.world.advanceUntil(() => stateOf(cluster) === "running");

    runsOnFirst(cluster).executor.stop();
    cluster.world.advance(1_000);
    expect(stateOf(cluster)).toBe("running");
    cluster.restartExecutor(runsOnFirst(cluster));
    cluster.world.advance(100);

    expect(stateOf(cluster)).toBe("completed");
  });

  test("a running attempt that the task host does not know is an agent fault, and runs again", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    setRunMillis(cluster, 60_000);
    cluster.submit(JOB);
    cluster.world.advanceUntil(() => stateOf(cluster) === "running");
    const { host } = runsOnFirst(cluster);

    host.disconnect();
    host.tasks.clear();
    cluster.world.advance(2_000);
    expect(cluster.attempt(FIRST)?.state).toBe("running");
    host.connect();
    cluster.world.advance(1_000);

    expect(cluster.attempt(FIRST)?.end).toBe("agent-fault");
    expect(cluster.attempt(SECOND)?.cause).toBe("agent-fault");
  });

  test("finished tasks keep their output until there are too many, the oldest go first", () => {
    const cluster = new WorkCluster(1, { finishedKept: 2 });
    cluster.settle();
    setRunMillis(cluster, 5);

    for (let at = 0; at < 3; at++) {
      cluster.submit(`${at}123456789ab`);
      cluster.world.advance(1_000);
    }

    expect(runsOnFirst(cluster).host.removed).toEqual(["0123456789ab.1" as AttemptId]);
  });
});

describe("a job on three nodes", () => {
  test("runs again elsewhere when its node is lost, after its lease there is over", () => {
    const cluster = new WorkCluster(3);
    cluster.settle();
    setRunMillis(cluster, 300_000);
    const leader = cluster.leadingNode();
    cluster.submit(JOB);
    cluster.world.advanceUntil(() => stateOf(cluster) === "running");
    const first = runsOn(cluster, FIRST);

    first.isLinked = false;
    const silentSince = cluster.world.clock.monotonicMillis();
    cluster.world.advanceUntil(() => cluster.attempt(SECOND) !== undefined, 60_000);

    const lastLease = first.host.leases.at(-1);
    const killedAt = (lastLease?.sentAtBootMillis ?? 0) + (lastLease?.killAfterMillis ?? 0);
    const now = cluster.world.clock.monotonicMillis();
    expect(cluster.attempt(FIRST)?.state).toBe("lost");
    expect(cluster.attempt(SECOND)?.cause).toBe("node-lost");
    expect(killedAt + 2_000).toBeLessThan(now);
    expect(now - silentSince).toBeGreaterThan(27_000);
    expect(now - silentSince).toBeLessThan(33_000);
    expect(leader.duties.hearings().get(first.nodeId)?.suspect).toBe(true);
  });

  test("a node that was lost is alive again after its next heartbeat", () => {
    const cluster = new WorkCluster(3);
    cluster.settle();
    const node = cluster.work.find((one) => one !== cluster.leadingNode()) as WorkNode;
    const liveness = (): string | undefined =>
      cluster.leadingNode().replica.view.nodes.get(node.nodeId)?.liveness;

    node.isLinked = false;
    cluster.world.advanceUntil(() => liveness() === "lost", 60_000);
    expect(node.executor.holdsLease()).toBe(false);
    node.isLinked = true;
    cluster.world.advance(2_500);

    expect(liveness()).toBe("alive");
    expect(node.executor.holdsLease()).toBe(true);
  });

  test("goes on and is reported to the next leader when the leader dies", () => {
    const cluster = new WorkCluster(3);
    cluster.settle();
    setRunMillis(cluster, 2_000);
    const dead = cluster.leadingNode();
    for (let at = 0; at < 6; at++) cluster.submit(`${at}123456789ab`);
    cluster.world.advance(500);

    dead.replica.stop({ handOver: false }, () => {});
    dead.executor.stop();
    cluster.world.advance(6_000);

    const { view } = cluster.leadingNode().replica;
    const elsewhere = [...view.jobs.values()].filter((job) => job.run?.nodeId !== dead.nodeId);
    expect(elsewhere.length).toBeGreaterThan(0);
    expect(elsewhere.map((job) => job.state)).toEqual(elsewhere.map(() => "completed"));
    const starts = cluster.work.flatMap(({ host }) => host.starts);
    expect(new Set(starts).size).toBe(starts.length);
  });

  test("a restarted node reports nothing about the past that it replays", () => {
    const cluster = new WorkCluster(3);
    cluster.settle();
    setRunMillis(cluster, 2_000);
    for (let at = 0; at < 3; at++) cluster.submit(`${at}123456789ab`);
    cluster.world.advance(500);
    for (let at = 0; at < 1_500; at++) {
      cluster.proposeSoon({ kind: "undrain-node", nodeId: "n9" as NodeId });
      if (at % 100 === 0) cluster.world.advance(10);
    }
    cluster.world.advance(5_000);
    const follower = cluster.work.find((node) => node !== cluster.leadingNode()) as WorkNode;
    expect(follower.host.starts).toHaveLength(1);
    const stale: string[] = [];
    cluster.leadingNode().replica.listen({
      onFacts: (facts) => {
        for (const fact of facts) if (fact.kind === "stale-ignored") stale.push(fact.attemptId);
      },
    });

    follower.host.tasks.clear();
    cluster.restartNode(follower);
    cluster.world.advance(5_000);

    expect(stale).toEqual([]);
  });

  test("a node that missed its log does at once what a snapshot wants of it", () => {
    const snapshots = { entries: 1, logBytes: 1e9, keepEntries: 0, recordsPerSlice: 100 };
    const cluster = new WorkCluster(3, { lookMillis: 600_000 }, { snapshots });
    cluster.settle();
    setRunMillis(cluster, 300_000);
    for (let at = 0; at < 3; at++) cluster.submit(`${at}123456789ab`);
    cluster.world.advance(500);
    const lost = cluster.work.find((node) => node !== cluster.leadingNode()) as WorkNode;
    const [running] = lost.replica.view.liveAttempts(lost.nodeId);
    cluster.network.cut(lost.peerId);
    cluster.world.advance(5_000);
    if (running !== undefined) cluster.proposeSoon({ kind: "cancel-job", jobId: running.jobId });
    cluster.world.advance(1_000);
    expect(lost.host.stops).toEqual([]);
    let isRestored = false;
    const note = (): void => {
      isRestored = true;
    };
    lost.replica.listen({ onRestored: note });

    cluster.network.heal();
    expect(cluster.world.advanceUntil(() => isRestored, 20_000)).toBe(true);
    cluster.world.advance(5);

    expect(lost.host.stops).toMatchObject([{ attemptId: running?.id, reason: "cancelled" }]);
  });

  test("drain declines nothing that runs and hands leadership over first", () => {
    const cluster = new WorkCluster(3);
    cluster.settle();
    setRunMillis(cluster, 1_000);
    const drained = cluster.leadingNode();
    for (let at = 0; at < 3; at++) cluster.submit(`${at}123456789ab`);
    cluster.world.advance(100);

    cluster.proposeSoon({
      kind: "drain-node",
      nodeId: drained.nodeId,
      deadlineMillis: 60_000,
      message: "",
    });
    cluster.world.advance(5_000);

    expect(cluster.leadingNode()).not.toBe(drained);
    const { view } = cluster.leadingNode().replica;
    expect([...view.jobs.values()].map((job) => job.state)).toEqual(Array(3).fill("completed"));
    expect(drained.host.stops).toEqual([]);
  });

  test("a drain's deadline stops what still runs, and it runs again elsewhere", () => {
    const cluster = new WorkCluster(3);
    cluster.settle();
    setRunMillis(cluster, 300_000);
    cluster.submit(JOB);
    cluster.world.advanceUntil(() => stateOf(cluster) === "running");
    const node = runsOn(cluster, FIRST);

    const { nodeId } = node;
    cluster.proposeSoon({ kind: "drain-node", nodeId, deadlineMillis: 2_000, message: "" });
    cluster.world.advance(1_500);
    expect(node.host.stops).toEqual([]);
    cluster.world.advance(3_000);

    expect(node.host.stops.map(({ reason }) => reason)).toEqual(["drain"]);
    expect(cluster.attempt(SECOND)?.cause).toBe("drain");
    expect(runsOn(cluster, SECOND)).not.toBe(node);
  });
});

const runsOnFirst = (cluster: WorkCluster): WorkNode => {
  const [first] = cluster.work;
  if (first === undefined) throw new Error("an empty cluster");
  return first;
};

describe("S16: wall clocks that jump", () => {
  const DAY_MILLIS = 24 * 3_600_000;

  test("a retry comes in time, though the clocks were a day ahead for a moment", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    const { host } = runsOnFirst(cluster);
    host.exitCode = 1;
    cluster.world.jumpWall(DAY_MILLIS);
    cluster.submit(JOB, { retries: { ...SPEC_DEFAULTS.retries, count: 1 } });
    cluster.world.advanceUntil(() => cluster.job(JOB)?.reason === "backoff");

    cluster.world.jumpWall(-DAY_MILLIS);
    cluster.world.advance(15_000);

    expect(host.starts).toEqual([FIRST, SECOND]);
  });

  test("a jump does not end the time that a drain leaves to running work", () => {
    const cluster = new WorkCluster(1);
    cluster.settle();
    setRunMillis(cluster, 600_000);
    cluster.submit(JOB);
    cluster.world.advanceUntil(() => stateOf(cluster) === "running");
    const { nodeId, host } = runsOnFirst(cluster);
    cluster.proposeSoon({ kind: "drain-node", nodeId, deadlineMillis: 60_000, message: "" });
    cluster.world.advance(100);

    cluster.world.jumpWall(DAY_MILLIS);
    cluster.world.advance(50_000);
    const stopsBefore = host.stops.length;
    cluster.world.advance(15_000);

    expect(stopsBefore).toBe(0);
    expect(host.stops.map(({ reason }) => reason)).toEqual(["drain"]);
  });
});
