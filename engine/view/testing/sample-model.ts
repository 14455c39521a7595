import type { Attempt, ClusterStatus, Job, Node } from "../../client/client.ts";
import { createModel, type Model, reduce } from "../model.ts";

export const NOW = Date.UTC(2026, 10, 23, 5, 1, 20);

/** A cluster of three with a few jobs, as the first snapshot of a watch would show it. */
export function sampleModel(): Model {
  const model = createModel(NOW);
  reduce(model, attached(false), NOW);
  reduce(model, { kind: "status", status: sampleStatus() }, NOW);
  reduce(
    model,
    {
      kind: "snapshot",
      jobs: SAMPLE_JOBS,
      nodes: ["n1", "n2", "n3"].map((id) => sampleNode(id)),
      first: true,
      done: true,
      totalJobs: 4,
    },
    NOW,
  );
  reduce(model, { kind: "alive", roundTripMillis: 3 }, NOW);
  return model;
}

export const attached = (resumed: boolean) =>
  ({
    kind: "attached",
    address: "127.0.0.1:7172",
    nodeId: "n2",
    clusterName: "dev",
    resumed,
  }) as const;

export function sampleStatus(change: Partial<ClusterStatus> = {}): ClusterStatus {
  const peer = (nodeId: string, peerId: number, role: string, matchIndex: number) => ({
    nodeId,
    peerId,
    address: `127.0.0.1:717${peerId}`,
    role,
    matchIndex,
    nextIndex: matchIndex + 1,
    inflight: role === "leader" ? 0 : peerId - 2,
    lag: 48_215 - matchIndex,
    active: true,
    known: true,
    progress: role === "leader" ? "" : "replicate",
    inflightBytes: 0,
    session: 1,
    applyLag: 0,
    heartbeat: role === "leader" ? undefined : latency(420 * peerId),
  });
  return {
    clusterId: "dev-1",
    clusterName: "dev",
    nodeId: "n2",
    leaderId: "n1",
    term: 12,
    commitIndex: 48_213,
    appliedIndex: 48_213,
    lastIndex: 48_215,
    role: "follower",
    peers: [
      peer("n1", 1, "leader", 48_215),
      peer("n2", 2, "follower", 48_215),
      peer("n3", 3, "follower", 48_213),
    ],
    counts: { pending: 1, assigned: 0, running: 1, completed: 1, failed: 1, cancelled: 0 },
    uptimeMillis: 60_000,
    version: "0.1.0",
    featureLevel: 1,
    digestAgeMillis: 0,
    ready: true,
    stateHash: "ef3c7da5dda1e57e",
    warnings: [],
    firstIndex: 2,
    durableIndex: 48_215,
    snapshotIndex: 1,
    votedFor: "n1",
    diskStalled: false,
    transferee: "",
    uncommittedBytes: 0,
    logWrite: latency(1_300),
    commit: latency(0),
    apply: latency(80),
    loopLag: latency(900),
    ...change,
  };
}

const latency = (p50Micros: number) => ({
  count: 100,
  p50Micros,
  p99Micros: 3 * p50Micros,
  maxMicros: 9 * p50Micros,
});

export const sampleNode = (id: string, change: Partial<Node> = {}): Node => ({
  id,
  peerId: Number(id.slice(1)),
  roles: ["server", "worker"],
  rpcAddress: `127.0.0.1:717${id.slice(1)}`,
  httpAddress: "",
  liveness: "alive",
  eligibility: "ready",
  drainDeadlineAt: 0,
  cpuMillis: 2000,
  memoryBytes: 2 ** 33,
  slots: 4,
  running: id === "n1" ? 1 : 0,
  assigned: 0,
  drivers: ["docker"],
  labels: {},
  version: "0.1.0",
  lastHeardMillis: 100,
  ...change,
});

export function sampleJob(id: string, change: Partial<Job> = {}): Job {
  return {
    id,
    spec: {
      name: "",
      command: ["echo", "hello"],
      image: "",
      driver: "auto",
      env: {},
      cpuMillis: 500,
      memoryBytes: 268_435_456,
      pids: 128,
      timeoutMillis: 3_600_000,
      startTimeoutMillis: 600_000,
      killGraceMillis: 10_000,
      retries: undefined,
      onLost: "rerun",
      once: false,
      priority: 50,
      labels: {},
      outputKeepBytes: 262_144,
    },
    state: "pending",
    reason: "queued",
    exitCode: undefined,
    signal: "",
    nodeId: "",
    principal: "user/alice",
    submittedAt: NOW - 42_000,
    startedAt: 0,
    finishedAt: 0,
    submittedIndex: 48_200,
    updatedIndex: 48_200,
    attempts: [],
    waitingFor: "",
    detail: "",
    ...change,
  };
}

export const sampleAttempt = (id: string, change: Partial<Attempt> = {}): Attempt => ({
  id,
  number: 1,
  nodeId: "n1",
  fence: 48_201,
  state: "running",
  cause: "first",
  end: "",
  exitCode: undefined,
  signal: "",
  detail: "",
  assignedAt: NOW - 20_000,
  startedAt: NOW - 19_000,
  finishedAt: 0,
  stdoutBytes: 0,
  stderrBytes: 0,
  outputAtLeast: false,
  driver: "docker",
  peakMemoryBytes: 0,
  ...change,
});

const SAMPLE_JOBS: readonly Job[] = [
  sampleJob("01j9xk5aaaaa", { submittedIndex: 48_214 }),
  sampleJob("01j9xk58bbbb", {
    submittedIndex: 48_205,
    state: "running",
    reason: "",
    nodeId: "n1",
    startedAt: NOW - 19_000,
    spec: undefined,
    attempts: [sampleAttempt("01j9xk58bbbb.1")],
  }),
  sampleJob("01j9xk4tcccc", {
    submittedIndex: 48_204,
    state: "failed",
    reason: "exit-code",
    exitCode: 7,
    nodeId: "n3",
    startedAt: NOW - 60_000,
    finishedAt: NOW - 29_000,
  }),
  sampleJob("01j9xk1pdddd", {
    submittedIndex: 48_100,
    state: "completed",
    reason: "",
    exitCode: 0,
    nodeId: "n2",
    startedAt: NOW - 100_000,
    finishedAt: NOW - 98_000,
  }),
];
