import { describe, expect, test } from "bun:test";
import { at, bootFrom, conf, inTerm, peer, snapshotAt, TestCluster } from "./cluster-fixture.ts";
import { append, appendReply, entry, ofKind } from "./messages-fixture.ts";
import type { ConfChange, ConfOp, ProposeResult } from "./types.ts";

const ANY_LAG = { learnerPromoteLag: 1_000_000 };

function change(
  cluster: TestCluster,
  leader: number,
  ops: readonly (readonly [ConfOp["op"], number])[],
  transition: ConfChange["transition"] = "auto",
): ProposeResult {
  const changes = ops.map(([op, id]) => ({ op, id: peer(id) }));
  return cluster.raft(leader).proposeConf({ changes, transition, context: new Uint8Array(0) });
}

/** Founders run; the others have empty disks and wait to be added. */
function clusterOf(founders: readonly number[], others: readonly number[] = []): TestCluster {
  const cluster = new TestCluster(founders, ANY_LAG);
  for (const id of others) cluster.add(id, bootFrom(null), ANY_LAG);
  cluster.elect(founders[0] ?? 1);
  return cluster;
}

describe("membership", () => {
  test("grows from one node to three and serves on", () => {
    const cluster = clusterOf([1], [2, 3]);

    expect(change(cluster, 1, [["learner", 2]]).ok).toBe(true);
    cluster.tick(2);
    expect(change(cluster, 1, [["voter", 2]]).ok).toBe(true);
    cluster.tick(2);
    expect(change(cluster, 1, [["voter", 3]]).ok).toBe(true);
    cluster.tick(2);
    cluster.propose(1, "a");
    cluster.tick(2);

    for (const id of [1, 2, 3]) {
      expect(cluster.raft(id).status().conf).toEqual(conf([1, 2, 3]));
      expect(cluster.raft(id).status().commit).toBe(cluster.raft(1).status().lastIndex);
    }
    cluster.isolate(1);
    cluster.tick(60);
    expect([2, 3].map((id) => cluster.raft(id).status().role)).toContain("leader");
  });

  test("replaces members through a joint configuration that ends by itself (thesis §4.3)", () => {
    const cluster = clusterOf([1, 2, 3], [4, 5]);

    change(cluster, 1, [
      ["voter", 4],
      ["voter", 5],
      ["remove", 2],
      ["remove", 3],
    ]);
    cluster.tick(3);

    expect(cluster.raft(1).status().conf).toEqual(conf([1, 4, 5]));
    expect(cluster.raft(4).status().conf).toEqual(conf([1, 4, 5]));
  });

  test("a joint configuration is left by whoever leads then (P15)", () => {
    const cluster = clusterOf([1, 2, 3], [4]);
    change(
      cluster,
      1,
      [
        ["voter", 4],
        ["remove", 3],
      ],
      "implicit",
    );
    // The change is committed, but what would end it reaches nobody: the leader is gone.
    while (cluster.raft(1).status().conf.votersOutgoing.length === 0) {
      for (const node of cluster.nodes.values()) {
        cluster.queue.push(...node.take());
        node.sync();
      }
      cluster.deliver();
    }
    cluster.isolate(1);
    cluster.queue.splice(0);
    for (const id of [2, 3, 4]) cluster.raft(id).input({ kind: "forget-leader" });
    cluster.elect(2);
    cluster.tick(2);

    expect(cluster.raft(2).status().conf).toEqual(conf([1, 2, 4]));
  });

  test("one change at a time, and none while entries of earlier terms are uncommitted (P13)", () => {
    const cluster = clusterOf([1, 2, 3], [4, 5]);
    cluster.isolate(1);

    expect(change(cluster, 1, [["learner", 4]]).ok).toBe(true);
    expect(change(cluster, 1, [["learner", 5]])).toMatchObject({ reason: "conf-pending" });
    cluster.heal();
    cluster.tick(2);
    expect(change(cluster, 1, [["learner", 5]]).ok).toBe(true);
  });

  test("a new leader changes nothing before what it found in its log is committed (P13)", () => {
    const cluster = clusterOf([1, 2, 3], [4]);
    cluster.cut(2, 1);
    cluster.cut(1, 3);
    cluster.propose(1, "uncommitted");
    cluster.settle();
    cluster.isolate(1);
    cluster.raft(3).input({ kind: "forget-leader" });
    cluster.raft(2).input({ kind: "campaign" });
    while (cluster.raft(2).status().role !== "leader") {
      for (const node of cluster.nodes.values()) {
        cluster.queue.push(...node.take());
        node.sync();
      }
      cluster.deliver();
    }

    expect(change(cluster, 2, [["learner", 4]])).toMatchObject({ reason: "conf-pending" });
    cluster.settle();
    expect(change(cluster, 2, [["learner", 4]]).ok).toBe(true);
  });

  test("refuses what cannot follow", () => {
    const cluster = clusterOf([1, 2, 3]);

    expect(change(cluster, 1, [])).toMatchObject({ reason: "conf-invalid" });
    expect(change(cluster, 2, [["learner", 4]])).toMatchObject({ reason: "not-leader" });
    change(cluster, 1, [["learner", 4]], "explicit");
    cluster.settle();
    expect(change(cluster, 1, [["learner", 5]])).toMatchObject({ reason: "conf-invalid" });
    expect(change(cluster, 1, []).ok).toBe(true);
  });

  test("refuses to promote who is far behind (P18)", () => {
    const cluster = new TestCluster([1, 2, 3], { learnerPromoteLag: 10 });
    cluster.add(4, bootFrom(null));
    cluster.elect(1);
    change(cluster, 1, [["learner", 4]]);
    cluster.isolate(4);
    for (let i = 0; i < 20; i++) cluster.propose(1, "a");
    cluster.settle();

    expect(change(cluster, 1, [["voter", 4]])).toMatchObject({ reason: "learner-behind" });
    expect(change(cluster, 1, [["voter", 9]])).toMatchObject({ reason: "learner-behind" });
    cluster.heal();
    cluster.tick(3);

    expect(change(cluster, 1, [["voter", 4]]).ok).toBe(true);
  });

  test("a leader that removed itself tells the others, then leads no more (P14)", () => {
    const cluster = clusterOf([1, 2, 3]);

    change(cluster, 1, [["remove", 1]]);
    cluster.settle();

    expect(cluster.raft(1).status().role).toBe("follower");
    for (const id of [2, 3]) expect(cluster.raft(id).status().conf).toEqual(conf([2, 3]));
    cluster.tick(40);
    expect([2, 3].map((id) => cluster.raft(id).status().role)).toContain("leader");
  });

  test("a leader that is not a member any more counts for nothing (P14)", () => {
    const cluster = new TestCluster([1, 2, 3], { stepDownOnRemoval: false });
    cluster.elect(1);
    change(cluster, 1, [["remove", 1]]);
    cluster.settle();
    const before = cluster.raft(1).status();
    expect(before).toMatchObject({ role: "leader", conf: conf([2, 3]) });
    expect(cluster.raft(1).propose([new Uint8Array(1)])).toMatchObject({ reason: "not-member" });
  });

  test("who was removed hears of it, and campaigns no more while others do", () => {
    const cluster = clusterOf([1, 2, 3]);

    change(cluster, 1, [["remove", 3]]);
    cluster.settle();
    expect(cluster.raft(3).status().conf).toEqual(conf([1, 2]));
    cluster.raft(3).input({ kind: "forget-leader" });
    cluster.raft(3).input({ kind: "campaign" });
    cluster.settle();

    expect(cluster.raft(3).status()).toMatchObject({ role: "follower", term: 1 });
  });

  test("what a member acknowledged before it was removed does not count for it later (P11)", () => {
    const cluster = clusterOf([1, 2, 3]);
    const sent = cluster.node(1).seen.flatMap(({ messages }) => messages);
    const old = ofKind(sent, "append").find(({ to }) => to === peer(3))?.session ?? 0;
    change(cluster, 1, [["remove", 3]]);
    cluster.settle();
    cluster.isolate(3);
    change(cluster, 1, [["voter", 3]]);
    cluster.settle();
    const match = () =>
      cluster
        .raft(1)
        .status()
        .progress.find(({ id }) => id === peer(3))?.match;
    expect(match()).toBe(at(0));

    cluster.raft(1).step(appendReply({ from: 3, to: 1, term: 1, index: 3, session: old }));

    expect(match()).toBe(at(0));
  });

  test("who restarts knows the configuration it had, by its log alone (P12)", () => {
    const cluster = clusterOf([1, 2, 3], [4]);
    change(cluster, 1, [["voter", 4]]);
    cluster.tick(2);

    cluster.node(2).restart();

    expect(cluster.raft(2).status().conf).toEqual(conf([1, 2, 3, 4]));
  });

  test("a change that was truncated never becomes active", () => {
    const node = new TestCluster([]).add(1, bootFrom(snapshotAt(1, conf([1, 2, 3]))));
    const data = new Uint8Array(0);
    const entries = [{ ...entry(2, 1), kind: "conf" as const, data }];
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries }));
    const other = [entry(2, 2)];
    node.raft.step(append({ from: 3, to: 1, term: 2, prev: [1, 1], entries: other, commit: 2 }));

    expect(node.raft.status()).toMatchObject({ commit: 2, conf: conf([1, 2, 3]) });
    expect(node.raft.take()?.conf).toBeNull();
  });

  test("a vote deadlock after a change is broken by whoever has the longest log (contract 18)", () => {
    // Node 1 demoted itself: the change is committed, but node 2, which must lead now, has missed
    // that, still needs node 1's vote, and has the shorter log.
    const cluster = new TestCluster([1, 2], ANY_LAG);
    cluster.elect(1);
    change(cluster, 1, [["learner", 1]]);
    const index = cluster.raft(1).status().lastIndex;
    while (cluster.raft(1).status().commit < index) {
      for (const node of cluster.nodes.values()) {
        cluster.queue.push(...node.take());
        node.sync();
      }
      if (cluster.raft(2).status().lastIndex >= index) cluster.propose(1, "tail");
      cluster.deliver();
    }
    cluster.cut(1, 2);
    cluster.settle();
    cluster.heal();
    cluster.queue.splice(0);
    expect(cluster.raft(1).status()).toMatchObject({ role: "follower", conf: conf([2], [1]) });
    expect(cluster.raft(2).status().conf).toEqual(conf([1, 2]));

    cluster.tick(120);

    expect(cluster.raft(2).status()).toMatchObject({ role: "leader", conf: conf([2], [1]) });
    expect(cluster.raft(2).status().term).toBeGreaterThan(inTerm(1));
  });
});
