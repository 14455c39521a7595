import { describe, expect, test } from "bun:test";
import type { Index, JobId, NodeId } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { CommandBody } from "../state/command.ts";
import type { Applied, ProposeFailure, Replica } from "./replica.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";

type Answer = Result<Applied, ProposeFailure>;

const undrain = (nodeId: string): CommandBody => ({
  kind: "undrain-node",
  nodeId: nodeId as NodeId,
});

const drain = (nodeId: string): CommandBody => ({
  kind: "drain-node",
  nodeId: nodeId as NodeId,
  deadlineMillis: 1_000,
  message: "",
});

const cancel = (jobId: string): CommandBody => ({ kind: "cancel-job", jobId: jobId as JobId });

/** The answers so far, in the order in which they came. */
function propose(replica: Replica, bodies: readonly CommandBody[]): Answer[] {
  const answers: Answer[] = [];
  for (const body of bodies) {
    replica.propose({ principal: "user/test:admin", body }, (answer) => answers.push(answer));
  }
  return answers;
}

const failures = (answers: readonly Answer[]): readonly string[] =>
  answers.map((answer) => (answer.ok ? "ok" : answer.error.kind));

describe("a single node", () => {
  test("leads at once and answers a proposal after it is applied", () => {
    const cluster = new FakeCluster(1);
    cluster.start();
    const { replica } = cluster.leader();

    const answers = propose(replica, [drain("n1")]);
    const inTime = cluster.world.advanceUntil(() => answers.length === 1, 100);

    expect(inTime).toBe(true);
    expect(failures(answers)).toEqual(["ok"]);
    expect(replica.view.nodes.get("n1" as NodeId)?.drain).not.toBeNull();
    expect(cluster.world.clock.monotonicMillis()).toBeLessThan(200);
  });

  test("answers the refusals of the state machine as outcomes, in order", () => {
    const cluster = new FakeCluster(1);
    cluster.start();
    const { replica } = cluster.leader();

    const answers = propose(replica, [cancel("0123456789ab"), drain("n1"), undrain("n9")]);
    cluster.world.advance(50);

    const outcomes = answers.map((answer) => (answer.ok ? answer.value.outcomes[0]?.kind : null));
    expect(outcomes).toEqual(["refused", "ok", "refused"]);
  });

  test("refuses at once what does not fit into the inbox, and never inside the call", () => {
    const cluster = new FakeCluster(1, () => ({ maxWaitingProposals: 2 }));
    cluster.start();
    const { replica } = cluster.leader();

    const answers = propose(replica, [drain("n1"), drain("n1"), drain("n1")]);

    expect(answers).toEqual([]);
    expect(replica.hasRoom()).toBe(false);
    cluster.world.advance(0);
    expect(failures(answers)).toEqual(["overloaded"]);
    cluster.world.advance(50);
    expect(failures(answers)).toEqual(["overloaded", "ok", "ok"]);
  });

  test("tells once when there is room again", () => {
    const cluster = new FakeCluster(1, () => ({ maxWaitingProposals: 1 }));
    cluster.start();
    const { replica } = cluster.leader();
    propose(replica, [drain("n1")]);
    let calls = 0;

    replica.whenRoom(() => {
      calls += 1;
    });
    cluster.world.advance(500);

    expect(calls).toBe(1);
  });

  test("puts everything of one turn into one log write", () => {
    const cluster = new FakeCluster(1);
    cluster.start();
    const { replica } = cluster.leader();
    const before = replica.status().raft.lastIndex;

    const answers = propose(
      replica,
      Array.from({ length: 200 }, () => drain("n1")),
    );
    cluster.world.advance(1);

    expect(failures(answers)).toEqual(Array.from({ length: 200 }, () => "ok"));
    expect(replica.status().raft.lastIndex).toBe((before + 200) as Index);
  });

  test("refuses an entry above 512 KiB without harming its neighbours", () => {
    const cluster = new FakeCluster(1);
    cluster.start();
    const { replica } = cluster.leader();
    const large: CommandBody = {
      kind: "submit-jobs",
      jobs: [{ jobId: "0123456789ab" as JobId, spec: new Uint8Array(600 * 1024) }],
    };

    const answers = propose(replica, [large, drain("n1")]);
    cluster.world.advance(50);

    expect(failures(answers)).toEqual(["too-large", "ok"]);
  });

  test("stops for good when the log store fails, and says why", () => {
    const cluster = new FakeCluster(1);
    cluster.start();
    const { replica, store } = cluster.leader();
    const reasons: string[] = [];
    replica.listen({ onStopped: (reason) => reasons.push(reason) });

    store.failure = { kind: "io", detail: "input/output error" };
    const answers = propose(replica, [drain("n1")]);
    cluster.world.advance(50);
    const later = propose(replica, [drain("n1")]);
    cluster.world.advance(50);

    expect(failures(answers)).toEqual(["indefinite"]);
    expect(failures(later)).toEqual(["stopped"]);
    expect(reasons).toEqual(["the log store failed (io): input/output error"]);
    expect(replica.status().role).toBe("halted");
  });

  test("knows everything again after a restart", () => {
    const cluster = new FakeCluster(1);
    cluster.start();
    const before = cluster.leader();
    propose(before.replica, [drain("n1"), undrain("n9"), drain("n1")]);
    cluster.world.advance(50);
    const hash = before.replica.view.stateHash();
    before.replica.stop({ handOver: false }, () => {});
    cluster.world.advance(50);

    const after = cluster.restart(before);
    cluster.leader();

    expect(after.replica.view.nodes.get("n1" as NodeId)?.drain).not.toBeNull();
    expect(after.replica.view.appliedIndex).toBeGreaterThan(4);
    expect(hash).not.toBe("");
  });
});

describe("three nodes", () => {
  test("elect a leader without waiting for an election timeout", () => {
    const cluster = new FakeCluster(3);
    cluster.start();

    cluster.leader();

    expect(cluster.world.clock.monotonicMillis()).toBeLessThan(400);
  });

  test("apply the same entries to the same state", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const { replica } = cluster.leader();

    propose(replica, [drain("n1"), undrain("n1"), drain("n2")]);
    cluster.world.advance(500);

    const hashes = new Set(cluster.nodes.map((node) => node.replica.view.stateHash()));
    expect(hashes.size).toBe(1);
  });

  test("a follower names the leader instead of proposing", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(200);
    const follower = cluster.nodes.find((node) => node !== leader);

    const answers = propose(follower?.replica as Replica, [drain("n1")]);
    cluster.world.advance(10);

    expect(answers[0]).toEqual({
      ok: false,
      error: { kind: "not-leader", leader: leader.peerId },
    });
  });

  test("have a new leader within 300 ms when the leader's process dies", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const dead = cluster.leader();
    cluster.world.advance(1_000);
    const diedAt = cluster.world.clock.monotonicMillis();

    dead.replica.stop({ handOver: false }, () => {});
    const alive = cluster.nodes.filter((node) => node !== dead);
    cluster.world.advanceUntil(() =>
      alive.some(({ replica }) => replica.status().role === "leader" && replica.status().ready),
    );

    expect(cluster.world.clock.monotonicMillis() - diedAt).toBeLessThan(300);
  });

  test("a restarted node does not disturb the leader that the others hear", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(500);
    const { term } = leader.replica.status().raft;
    const follower = cluster.nodes.find((node) => node !== leader) ?? leader;
    follower.replica.stop({ handOver: false }, () => {});
    cluster.world.advance(500);

    const restarted = cluster.restart(follower);
    cluster.world.advance(3_000);

    expect(leader.replica.status().raft.term).toBe(term);
    expect(leader.replica.status().role).toBe("leader");
    expect(restarted.replica.status().leader).toBe(leader.peerId);
    expect(restarted.replica.view.stateHash()).toBe(leader.replica.view.stateHash());
  });

  test("a cut-off leader answers indefinite after the commit wait", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(500);

    cluster.network.cut(leader.peerId);
    const answers = propose(leader.replica, [drain("n1")]);
    cluster.world.advance(4_900);

    expect(answers).toEqual([]);
    cluster.world.advance(300);
    expect(failures(answers)).toEqual(["indefinite"]);
  });

  test("a full leader that is deposed has room again: it says that it does not lead", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const old = cluster.leader();
    cluster.world.advance(500);
    const spec = new Uint8Array(500 * 1024);
    const jobs = [{ jobId: "0123456789ab" as JobId, spec }];
    const large = Array.from({ length: 140 }, () => ({ kind: "submit-jobs", jobs }) as const);
    for (const { peerId } of cluster.nodes) cluster.network.cut(peerId);

    const answers = propose(old.replica, large);
    cluster.world.advance(50);
    const hadRoom = old.replica.hasRoom();
    let isTold = false;
    old.replica.whenRoom(() => {
      isTold = true;
    });
    cluster.world.advance(4_000);

    expect(failures(answers)).toContain("overloaded");
    expect(hadRoom).toBe(false);
    expect(old.replica.status().role).not.toBe("leader");
    expect(isTold).toBe(true);
    expect(old.replica.hasRoom()).toBe(true);
  });

  test("a proposal that a later leader has overwritten is answered as dropped", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const old = cluster.leader();
    cluster.world.advance(500);

    cluster.network.cut(old.peerId);
    const answers = propose(old.replica, [drain("n1")]);
    const others = cluster.nodes.filter((node) => node !== old);
    cluster.world.advanceUntil(() => others.some(({ replica }) => replica.status().ready));
    cluster.world.advanceUntil(() =>
      others.some(({ replica }) => replica.status().role === "leader" && replica.status().ready),
    );
    cluster.network.heal();
    cluster.world.advanceUntil(() => answers.length === 1);

    expect(failures(answers)).toEqual(["dropped"]);
  });

  test("reads on a follower see what was acked before", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(500);
    const follower = cluster.nodes.find((node) => node !== leader) ?? leader;
    const answers = propose(leader.replica, [drain("n1")]);
    cluster.world.advanceUntil(() => answers.length === 1);

    let applied = 0;
    follower.replica.readBarrier((read) => {
      applied = read.ok ? follower.replica.view.appliedIndex : -1;
    });
    cluster.world.advanceUntil(() => applied !== 0);

    expect(applied).toBeGreaterThanOrEqual(leader.replica.view.appliedIndex);
    expect(follower.replica.view.nodes.get("n1" as NodeId)?.drain).not.toBeNull();
  });

  test("all barriers of one turn share one quorum round", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const { replica } = cluster.leader();
    cluster.world.advance(501);
    const before = cluster.network.messageCount;
    let count = 0;

    for (let at = 0; at < 100; at++) replica.readBarrier(() => (count += 1));
    cluster.world.advance(20);

    expect(count).toBe(100);
    expect(cluster.network.messageCount - before).toBeLessThan(10);
  });

  test("a barrier that can wait shares the heartbeats that are sent anyway", () => {
    const cluster = new FakeCluster(3, () => ({ heartbeatTicks: 3 }));
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(1_000);
    const messagesOf = (millis: number): number => {
      const before = cluster.network.messageCount;
      cluster.world.advance(millis);
      return cluster.network.messageCount - before;
    };
    const without = messagesOf(3_000);
    let answers = 0;
    const ask = (): void => {
      leader.replica.readBarrier((read) => (answers += read.ok ? 1 : 0), { isPatient: true });
    };

    ask();
    const withOne = messagesOf(3_000);
    cluster.network.cut(leader.peerId);
    ask();
    cluster.world.advance(6_000);

    expect(answers).toBe(1);
    expect(withOne).toBe(without);
  });

  test("nobody wakes up for a patient read: the ticks of an idle leader are as rare as before", () => {
    const cluster = new FakeCluster(3, () => ({ heartbeatTicks: 3 }));
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(1_000);
    const turnsOf = (isAsking: boolean): number => {
      const before = leader.replica.latencies().loopLag.count;
      for (let at = 0; at < 10; at++) {
        if (isAsking) leader.replica.readBarrier(() => {}, { isPatient: true });
        cluster.world.advance(300);
      }
      return leader.replica.latencies().loopLag.count - before;
    };

    const without = turnsOf(false);

    expect(turnsOf(true)).toBe(without);
  });

  test("a read that no quorum confirms is not answered with an old state", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(500);
    cluster.network.cut(leader.peerId);
    const answers: string[] = [];

    leader.replica.readBarrier((read) => answers.push(read.ok ? "ok" : read.error));
    cluster.world.advance(6_000);

    expect(answers).toHaveLength(1);
    expect(answers[0]).not.toBe("ok");
  });

  test("leadership goes where it is sent", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(500);
    const target = cluster.nodes.find((node) => node !== leader) ?? leader;
    const outcomes: string[] = [];

    leader.replica.transferLeader(target.peerId, (done) =>
      outcomes.push(done.ok ? "done" : done.error),
    );
    cluster.world.advance(500);

    expect(outcomes).toEqual(["done"]);
    expect(target.replica.status().role).toBe("leader");
  });

  test("a stopping leader hands over before it closes", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(500);
    const startedAt = cluster.world.clock.monotonicMillis();
    let isClosed = false;

    leader.replica.stop({ handOver: true }, () => {
      isClosed = true;
    });
    cluster.world.advanceUntil(() => isClosed, 2_000);

    expect(isClosed).toBe(true);
    expect(cluster.world.clock.monotonicMillis() - startedAt).toBeLessThan(500);
    const next = cluster.nodes.filter((node) => node !== leader);
    cluster.world.advance(100);
    expect(next.some(({ replica }) => replica.status().role === "leader")).toBe(true);
  });

  test("a stopping leader still answers the writes it had taken", () => {
    const cluster = new FakeCluster(3);
    cluster.start();
    const leader = cluster.leader();
    cluster.world.advance(500);
    let isClosed = false;

    const answers = propose(leader.replica, [drain("n1"), undrain("n1")]);
    cluster.world.advance(0);
    leader.replica.stop({ handOver: true }, () => {
      isClosed = true;
    });
    cluster.world.advanceUntil(() => isClosed, 2_000);

    expect(failures(answers)).toEqual(["ok", "ok"]);
  });

  test("onLeading comes once a term, after the leader's own no-op", () => {
    const cluster = new FakeCluster(3);
    const terms: number[] = [];
    for (const { replica } of cluster.nodes) {
      replica.listen({
        onLeading: (term) => {
          expect(replica.status().ready).toBe(true);
          terms.push(term);
        },
      });
    }
    cluster.start();

    cluster.leader();
    cluster.world.advance(2_000);

    expect(terms).toHaveLength(1);
  });
});
