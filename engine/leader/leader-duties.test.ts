import { describe, expect, test } from "bun:test";
import type { NlError } from "../lib/error-code.ts";
import type { AttemptId, Index, JobId, NodeId, UnixMillis } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { Heartbeat, HeartbeatAnswer } from "../platform/control-link.ts";
import { FakeCluster, type FakeNode } from "../replica/testing/fake-cluster.ts";
import type { AttemptReport, RegisterNode } from "../state/command.ts";
import { encodeSpec } from "../state/spec-codec.ts";
import { specWith } from "../state/state-fixture.ts";
import { createLeaderDuties, type LeaderDuties } from "./leader-duties.ts";
import { LEADER_DEFAULTS } from "./settings.ts";

type Led = { readonly node: FakeNode; readonly duties: LeaderDuties };

/** Leaders' duties without executors: the tests are the workers. */
class LedCluster extends FakeCluster {
  readonly led: readonly Led[];
  readonly lowOnDisk = new Set<NodeId>();

  constructor(size: number) {
    super(size);
    const { clock, timers, random } = this.world;
    this.led = this.nodes.map((node) => {
      const { replica, nodeId } = node;
      const logger = { log: () => {} };
      const settings = LEADER_DEFAULTS;
      const isDiskLow = () => this.lowOnDisk.has(nodeId);
      const options = { nodeId, replica, clock, timers, random, logger, settings, isDiskLow };
      return { node, duties: createLeaderDuties(options) };
    });
    this.start();
  }

  leading(): Led {
    const leader = this.leader();
    const found = this.led.find(({ node }) => node === leader);
    if (found === undefined) throw new Error("no duties");
    return found;
  }

  register(nodeId: string): void {
    this.leading().duties.register(registration(nodeId), () => {});
    this.world.advance(20);
  }

  liveness(nodeId: string): string | undefined {
    return this.leading().node.replica.view.nodes.get(nodeId as NodeId)?.liveness;
  }
}

const registration = (nodeId: string): RegisterNode => ({
  nodeId: nodeId as NodeId,
  peerId: Number(nodeId.slice(1)) as RegisterNode["peerId"],
  storeId: `store-${nodeId.slice(1)}`,
  roles: ["server", "worker"],
  rpcAddress: "127.0.0.1:7171",
  httpAddress: "127.0.0.1:7181",
  cpuMillis: 1_000,
  memoryBytes: 1024 ** 3,
  slots: 1,
  drivers: ["plain"],
  labels: {},
  featureLevel: 1,
  version: "test",
});

const beatOf = (nodeId: string): Heartbeat => ({
  nodeId: nodeId as NodeId,
  attemptIds: [],
  clockAt: 0 as UnixMillis,
  running: 0,
  memoryUsedBytes: 0,
  cpuUsedMillis: 0,
});

function beat(duties: LeaderDuties, nodeId: string): Result<HeartbeatAnswer, NlError>[] {
  const answers: Result<HeartbeatAnswer, NlError>[] = [];
  duties.heartbeat(beatOf(nodeId), (answer) => answers.push(answer));
  return answers;
}

const grants = (answers: readonly Result<HeartbeatAnswer, NlError>[]): readonly unknown[] =>
  answers.map((answer) => (answer.ok ? answer.value.granted : answer.error.code));

describe("heartbeats", () => {
  test("are granted with the leader's term and a commit index", () => {
    const cluster = new LedCluster(3);
    cluster.register("n2");
    const { duties, node } = cluster.leading();

    const answers = beat(duties, "n2");
    cluster.world.advance(20);

    const { term, commit } = node.replica.status().raft;
    expect(answers).toEqual([{ ok: true, value: { term, commitIndex: commit, granted: true } }]);
  });

  test("are not granted to a node that has not registered", () => {
    const cluster = new LedCluster(3);

    const answers = beat(cluster.leading().duties, "n2");
    cluster.world.advance(20);

    expect(grants(answers)).toEqual([false]);
  });

  test("share one quorum round", () => {
    const cluster = new LedCluster(3);
    cluster.register("n2");
    cluster.world.advance(501);
    const { duties } = cluster.leading();
    const before = cluster.network.messageCount;

    const answers = Array.from({ length: 50 }, () => beat(duties, "n2"));
    cluster.world.advance(20);

    expect(answers.flatMap(grants)).toEqual(Array(50).fill(true));
    expect(cluster.network.messageCount - before).toBeLessThan(10);
  });

  test("are refused by a node that does not lead", () => {
    const cluster = new LedCluster(3);
    const leading = cluster.leading();
    const other = cluster.led.find((led) => led !== leading) ?? leading;

    const answers = beat(other.duties, "n1");
    cluster.world.advance(20);

    expect(grants(answers)).toEqual(["no_leader"]);
  });

  test("are never granted by a leader that was cut off", () => {
    const cluster = new LedCluster(3);
    cluster.register("n2");
    const { duties, node } = cluster.leading();

    cluster.network.cut(node.peerId);
    const answers = beat(duties, "n2");
    cluster.world.advance(10_000);

    expect(grants(answers)).toEqual(["no_leader"]);
  });
});

describe("silent nodes", () => {
  test("are suspect after 10 s and lost after 30 s", () => {
    const cluster = new LedCluster(3);
    cluster.register("n2");
    const { duties } = cluster.leading();

    cluster.world.advance(9_000);
    expect(duties.hearings().get("n2" as NodeId)?.suspect).toBe(false);
    cluster.world.advance(2_000);
    expect(duties.hearings().get("n2" as NodeId)?.suspect).toBe(true);
    cluster.world.advance(18_000);
    expect(cluster.liveness("n2")).toBe("alive");
    cluster.world.advance(2_000);
    expect(cluster.liveness("n2")).toBe("lost");
  });

  test("are suspect no more with their next heartbeat", () => {
    const cluster = new LedCluster(3);
    cluster.register("n2");
    const { duties } = cluster.leading();
    cluster.world.advance(12_000);

    beat(duties, "n2");

    expect(duties.hearings().get("n2" as NodeId)).toMatchObject({
      suspect: false,
      lastHeardMillis: 0,
    });
  });

  test("that are lost are marked alive before they are granted anything", () => {
    const cluster = new LedCluster(3);
    cluster.register("n2");
    cluster.world.advance(31_000);
    const { duties } = cluster.leading();
    expect(cluster.liveness("n2")).toBe("lost");

    let livenessWhenGranted: string | undefined;
    duties.heartbeat(beatOf("n2"), (answer) => {
      if (answer.ok && answer.value.granted) livenessWhenGranted = cluster.liveness("n2");
    });
    cluster.world.advance(50);

    expect(livenessWhenGranted).toBe("alive");
  });

  test("are not granted anything from the proposal of `lost` until it is applied", () => {
    const cluster = new LedCluster(3);
    cluster.register("n2");
    const { duties, node } = cluster.leading();
    let answers: Result<HeartbeatAnswer, NlError>[] = [];
    const original = node.replica.propose.bind(node.replica);
    node.replica.propose = (proposal, done) => {
      if (proposal.body.kind === "mark-node" && proposal.body.liveness === "lost") {
        answers = beat(duties, "n2");
      }
      original(proposal, done);
    };

    cluster.world.advance(31_000);

    expect(grants(answers)).toEqual([false]);
  });

  test("that are marked lost and alive again in one batch are granted leases again", () => {
    const cluster = new LedCluster(3);
    cluster.register("n2");
    const { duties, node } = cluster.leading();
    const original = node.replica.propose.bind(node.replica);
    const marked: string[] = [];
    node.replica.propose = (proposal, done) => {
      original(proposal, done);
      const { principal, body } = proposal;
      if (body.kind !== "mark-node" || body.liveness !== "lost") return;
      const onAlive = () => marked.push("alive");
      original({ principal, body: { ...body, liveness: "alive" } }, onAlive);
    };

    cluster.world.advanceUntil(() => marked.length > 0, 40_000);
    node.replica.propose = original;
    const answers = beat(duties, "n2");
    cluster.world.advance(50);

    expect(cluster.liveness("n2")).toBe("alive");
    expect(grants(answers)).toEqual([true]);
  });

  test("have their clocks started afresh by a new leader", () => {
    const cluster = new LedCluster(3);
    cluster.register("n2");
    const old = cluster.leading();
    cluster.world.advance(25_000);

    old.node.replica.stop({ handOver: false }, () => {});
    const others = cluster.led.filter((led) => led !== old);
    const next = (): Led | undefined =>
      others.find(({ node }) => node.replica.status().role === "leader");
    cluster.world.advanceUntil(() => next()?.node.replica.status().ready === true);
    cluster.world.advance(20_000);

    const { view } = next()?.node.replica ?? old.node.replica;
    expect(view.nodes.get("n2" as NodeId)?.liveness).toBe("alive");
  });

  test("are forgiven the time in which the leader itself did not run", () => {
    const cluster = new LedCluster(1);
    cluster.register("n1");
    cluster.world.advance(1_000);

    cluster.world.stall(60_000);
    cluster.world.advance(1_000);

    expect(cluster.liveness("n1")).toBe("alive");
  });
});

describe("reports", () => {
  const reportOf = (at: number): AttemptReport => ({
    attemptId: `${at}123456789ab.1` as AttemptId,
    nodeId: "n1" as NodeId,
    fence: 3 as Index,
    phase: "running",
    startedAt: null,
    finishedAt: null,
    end: null,
    exitCode: null,
    signal: "",
    detail: "",
    stdoutBytes: 0,
    stderrBytes: 0,
    outputAtLeast: false,
    driver: "",
    peakMemoryBytes: 0,
  });

  test("of many nodes make one entry", () => {
    const cluster = new LedCluster(3);
    const { duties, node } = cluster.leading();
    const before = node.replica.view.appliedIndex;
    const indexes: number[] = [];

    for (let at = 0; at < 20; at++) {
      duties.report([reportOf(at % 10)], (done) => indexes.push(done.ok ? done.value : 0));
    }
    cluster.world.advance(20);

    expect(indexes).toEqual(Array(20).fill(before + 1));
  });

  test("that arrive right after a batch wait for the next one", () => {
    const cluster = new LedCluster(3);
    const { duties, node } = cluster.leading();
    duties.report([reportOf(1)], () => {});
    cluster.world.advance(1);
    const before = node.replica.status().raft.lastIndex;

    duties.report([reportOf(2)], () => {});
    cluster.world.advance(2);
    duties.report([reportOf(3)], () => {});
    cluster.world.advance(20);

    expect(node.replica.status().raft.lastIndex).toBe((before + 1) as Index);
  });

  test("that wait when leadership ends are answered, so that they are sent elsewhere", () => {
    const cluster = new LedCluster(1);
    const { duties } = cluster.leading();
    const codes: string[] = [];

    duties.report([reportOf(1)], (done) => codes.push(done.ok ? "ok" : done.error.code));
    duties.stop();
    cluster.world.advance(20);

    expect(codes).toEqual(["no_leader"]);
  });
});

describe("a leader that is low on disk (S17)", () => {
  const hearAll = (cluster: LedCluster, isLow: (nodeId: NodeId) => boolean): void => {
    const { duties, node } = cluster.leading();
    for (const { nodeId } of cluster.nodes) {
      if (nodeId !== node.nodeId) duties.hearDisk(nodeId, isLow(nodeId));
    }
  };

  test("hands leadership to a node that has room", () => {
    const cluster = new LedCluster(3);
    const { duties, node } = cluster.leading();
    const others = cluster.nodes.filter(({ nodeId }) => nodeId !== node.nodeId);
    hearAll(cluster, (nodeId) => nodeId === others[0]?.nodeId);

    cluster.lowOnDisk.add(node.nodeId);
    duties.considerHandOver();
    cluster.world.advance(200);

    expect(cluster.leader().nodeId).toBe(others[1]?.nodeId as NodeId);
  });

  test("leads on while no other is known to have room, and goes once one has", () => {
    const cluster = new LedCluster(3);
    const { duties, node } = cluster.leading();
    cluster.lowOnDisk.add(node.nodeId);
    duties.considerHandOver();
    cluster.world.advance(200);
    const unheard = cluster.leader().nodeId;
    hearAll(cluster, () => true);
    cluster.world.advance(3_000);
    const allLow = cluster.leader().nodeId;

    hearAll(cluster, () => false);
    cluster.world.advance(2_000);

    expect([unheard, allLow]).toEqual([node.nodeId, node.nodeId]);
    expect(cluster.leader().nodeId).not.toBe(node.nodeId);
  });
});

describe("work after a node's process ended", () => {
  test("goes to the nodes that answer, long before the other is lost", () => {
    const cluster = new LedCluster(3);
    for (const nodeId of ["n1", "n2", "n3"]) cluster.register(nodeId);
    const { node } = cluster.leading();
    const gone = cluster.nodes.find(({ nodeId }) => nodeId !== node.nodeId) ?? node;
    cluster.network.cut(gone.peerId);
    cluster.world.advance(4_000);

    const jobs = Array.from({ length: 2 }, (_, i) => `00000000000${i}` as JobId);
    const spec = encodeSpec(specWith());
    const body = { kind: "submit-jobs", jobs: jobs.map((jobId) => ({ jobId, spec })) } as const;
    node.replica.propose({ principal: "user/test:admin", body }, () => {});
    cluster.world.advance(200);

    const placedOn = jobs.map((id) => node.replica.view.jobs.get(id)?.run?.nodeId);
    expect(placedOn).not.toContain(undefined);
    expect(placedOn).not.toContain(gone.nodeId);
  });
});

describe("registration", () => {
  test("of another store under a known name is refused with a reason", () => {
    const cluster = new LedCluster(3);
    const answers: Result<Index, NlError>[] = [];
    const stranger = { ...registration("n2"), storeId: "another" };

    cluster.leading().duties.register(stranger, (answer) => answers.push(answer));
    cluster.world.advance(20);

    expect(answers).toMatchObject([{ ok: false, error: { code: "refused" } }]);
  });
});
