import { createLeaderDuties, type LeaderDuties } from "../../leader/leader-duties.ts";
import { LEADER_DEFAULTS } from "../../leader/settings.ts";
import { nlError } from "../../lib/error-code.ts";
import type { AttemptId, JobId, NodeId } from "../../lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../../lib/job-spec.ts";
import { err } from "../../lib/result.ts";
import type { ControlLink } from "../../platform/control-link.ts";
import type { Replica, ReplicaOptions } from "../../replica/replica.ts";
import { FakeCluster, type FakeNode } from "../../replica/testing/fake-cluster.ts";
import type { Attempt, Job } from "../../state/cluster-state.ts";
import { encodeSpec } from "../../state/spec-codec.ts";
import { specOf } from "../../state/spec-of.ts";
import { createExecutor, type Executor } from "../executor.ts";
import { EXECUTOR_DEFAULTS, type ExecutorSettings } from "../settings.ts";
import { FakeTaskHost } from "./fake-task-host.ts";

const HOP_MILLIS = 1;

export type WorkNode = FakeNode & {
  readonly host: FakeTaskHost;
  readonly duties: LeaderDuties;
  executor: Executor;
  /** False: its calls to the leader are lost. */
  isLinked: boolean;
};

/** A cluster with everything between a submission and its exit code, on virtual time. */
export class WorkCluster extends FakeCluster {
  readonly work: WorkNode[] = [];

  readonly #settings: ExecutorSettings;

  constructor(
    size: number,
    settings: Partial<ExecutorSettings> = {},
    replica: Partial<ReplicaOptions> = {},
  ) {
    super(size, () => replica);
    this.#settings = { ...EXECUTOR_DEFAULTS, ...settings };
    for (const node of this.nodes) {
      this.work.push(this.#createWorkNode(node, new FakeTaskHost(this.world)));
    }
  }

  override start(): void {
    super.start();
    for (const { executor } of this.work) executor.start();
  }

  /** All nodes are registered, and may be given work. */
  settle(): void {
    this.start();
    const isRegistered = ({ replica }: WorkNode): boolean =>
      [...replica.view.nodes.values()].every((node) => node.registered);
    const isReady = this.world.advanceUntil(() => this.work.every(isRegistered));
    if (!isReady) throw new Error("the nodes did not register within 10 s");
    this.world.advance(100);
  }

  leadingNode(): WorkNode {
    const { nodeId } = this.leader();
    const found = this.work.find((node) => node.nodeId === nodeId);
    if (found === undefined) throw new Error(`no node ${nodeId}`);
    return found;
  }

  submit(jobId: string, spec: Partial<JobSpec> = {}): void {
    const bytes = encodeSpec({ ...plainSpec, ...spec });
    this.proposeSoon({ kind: "submit-jobs", jobs: [{ jobId: jobId as JobId, spec: bytes }] });
  }

  proposeSoon(body: Parameters<Replica["propose"]>[0]["body"]): void {
    this.leadingNode().replica.propose({ principal: "user/test:admin", body }, () => {});
  }

  job(jobId: string): Job | undefined {
    return this.leadingNode().replica.view.jobs.get(jobId as JobId);
  }

  attempt(id: string): Attempt | undefined {
    return this.leadingNode().replica.view.attempt(id as AttemptId);
  }

  /** Kills the agent and starts it again: the task host and the replica go on. */
  restartExecutor(node: WorkNode): void {
    node.executor.stop();
    node.executor = this.#createExecutor(node, node.host);
    node.executor.start();
  }

  /** Kills the whole node and starts it again; its task host goes on. */
  restartNode(node: WorkNode): void {
    node.executor.stop();
    node.duties.stop();
    node.replica.stop({ handOver: false }, () => {});
    this.world.advance(10);
    const found = this.nodes.find(({ nodeId }) => nodeId === node.nodeId) ?? node;
    this.restart(found, (next) => {
      const restarted = this.#createWorkNode(next, node.host);
      this.work[this.work.indexOf(node)] = restarted;
      restarted.executor.start();
    });
  }

  #createWorkNode(node: FakeNode, host: FakeTaskHost): WorkNode {
    const { clock, timers, random } = this.world;
    const { replica, nodeId } = node;
    const logger = { log: () => {} };
    const options = { nodeId, replica, clock, timers, random, logger };
    const settings = LEADER_DEFAULTS;
    const duties = createLeaderDuties({ ...options, settings, isDiskLow: () => false });
    return { ...node, host, duties, executor: this.#createExecutor(node, host), isLinked: true };
  }

  #createExecutor(node: FakeNode, host: FakeTaskHost): Executor {
    const { clock, timers, random } = this.world;
    const { replica, nodeId } = node;
    return createExecutor({
      nodeId,
      clusterId: "test-cluster",
      registration: {
        peerId: node.peerId,
        storeId: `store-${node.peerId}`,
        roles: ["server", "worker"],
        rpcAddress: `127.0.0.1:${7170 + node.peerId}`,
        httpAddress: `127.0.0.1:${7180 + node.peerId}`,
        cpuMillis: 4_000,
        memoryBytes: 4 * 1024 ** 3,
        slots: 4,
        labels: {},
        featureLevel: 1,
        version: "test",
      },
      feed: {
        get view() {
          return replica.view;
        },
        subscribe: (listener) => replica.listen(listener),
      },
      specOf,
      taskHost: host,
      controlLink: this.#linkOf(nodeId),
      logger: { log: () => {} },
      stats: () => ({ memoryUsedBytes: 0, cpuUsedMillis: 0 }),
      settings: this.#settings,
      ...{ clock, timers, random },
    });
  }

  /** Goes to whoever says it leads, a hop away; calls of a node that is not linked are lost. */
  #linkOf(nodeId: NodeId): ControlLink {
    const call = (say: (duties: LeaderDuties) => void, fail: () => void): void => {
      const self = this.work.find((node) => node.nodeId === nodeId);
      if (self?.isLinked !== true) return;
      const leader = this.work.find(({ replica }) => replica.status().role === "leader");
      const speak = leader === undefined ? fail : () => say(leader.duties);
      this.world.timers.after(HOP_MILLIS, speak);
    };
    const lost = err(nlError("no_leader", "nobody leads"));
    return {
      heartbeat: (beat, done) =>
        call(
          (to) => to.heartbeat(beat, done),
          () => done(lost),
        ),
      report: (reports, done) =>
        call(
          (to) => to.report(reports, done),
          () => done(lost),
        ),
      register: (node, done) =>
        call(
          (to) => to.register(node, done),
          () => done(lost),
        ),
    };
  }
}

const plainSpec: JobSpec = {
  name: "",
  command: ["true"],
  image: "",
  driver: "auto",
  env: {},
  resources: SPEC_DEFAULTS.resources,
  timeoutMillis: SPEC_DEFAULTS.timeoutMillis,
  startTimeoutMillis: SPEC_DEFAULTS.startTimeoutMillis,
  killGraceMillis: SPEC_DEFAULTS.killGraceMillis,
  retries: SPEC_DEFAULTS.retries,
  onLost: "rerun",
  once: false,
  priority: 50,
  labels: {},
  outputKeepBytes: SPEC_DEFAULTS.outputKeepBytes,
};
