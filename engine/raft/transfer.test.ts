import { describe, expect, test } from "bun:test";
import { bytes, peer, TestCluster } from "./cluster-fixture.ts";
import { ofKind } from "./messages-fixture.ts";

const outcomes = (cluster: TestCluster, id: number) =>
  cluster.node(id).seen.flatMap(({ transfer }) => transfer ?? []);

const transfer = (cluster: TestCluster, to: number): void => {
  cluster.raft(1).input({ kind: "transfer", to: peer(to) });
};

describe("leadership transfer", () => {
  test("moves leadership at once, although the others hear the leader (thesis §3.10)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);

    transfer(cluster, 3);
    cluster.settle();

    expect(cluster.raft(3).status()).toMatchObject({ role: "leader", term: 2 });
    expect(outcomes(cluster, 1)).toEqual([{ to: peer(3), outcome: "done" }]);
  });

  test("waits for a target that is behind, and refuses proposals meanwhile (P22, P23)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.settle();

    transfer(cluster, 3);
    expect(ofKind(cluster.node(1).take(), "timeout-now")).toEqual([]);
    expect(cluster.raft(1).propose([bytes("b")])).toMatchObject({ reason: "transferring" });
    cluster.heal();
    cluster.tick(2);

    expect(cluster.raft(3).status().role).toBe("leader");
  });

  test("ends after one election timeout, and the leader goes on (P22)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.settle();

    transfer(cluster, 3);
    cluster.tick(10);

    expect(outcomes(cluster, 1)).toEqual([{ to: peer(3), outcome: "target-behind" }]);
    expect(cluster.raft(1).propose([bytes("b")]).ok).toBe(true);
  });

  test("whose last message is lost times out (P22)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.cut(1, 3);

    transfer(cluster, 3);
    cluster.tick(10);

    expect(outcomes(cluster, 1)).toEqual([{ to: peer(3), outcome: "timed-out" }]);
    expect(cluster.raft(1).status()).toMatchObject({ role: "leader", transferee: 0 });
  });

  test("leaves nothing behind when another node wins (P22)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.settle();
    transfer(cluster, 3);
    cluster.raft(2).input({ kind: "forget-leader" });
    cluster.heal();
    cluster.cut(1, 3);
    cluster.cut(1, 2);
    cluster.raft(3).input({ kind: "forget-leader" });
    cluster.raft(2).input({ kind: "campaign" });
    cluster.settle();
    cluster.tick(12);

    expect(cluster.raft(1).status().transferee).toBe(peer(0));
    expect(outcomes(cluster, 1).length).toBe(1);
  });

  test("to a learner, a stranger or by a follower is refused at once", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);

    transfer(cluster, 9);
    cluster.settle();
    cluster.raft(2).input({ kind: "transfer", to: peer(3) });
    cluster.settle();

    expect(outcomes(cluster, 1)).toEqual([{ to: peer(9), outcome: "target-behind" }]);
    expect(outcomes(cluster, 2)).toEqual([{ to: peer(3), outcome: "lost-leadership" }]);
  });

  test("is asked for by the leader only", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);

    const { term } = cluster.raft(1).status();
    cluster.raft(2).step({ kind: "timeout-now", from: peer(3), to: peer(2), term });

    expect(cluster.raft(2).status().role).toBe("follower");
  });
});
