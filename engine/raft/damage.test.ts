import { describe, expect, test } from "bun:test";
import { at, bootFrom, conf, peer, snapshotAt, TestCluster } from "./cluster-fixture.ts";
import { append, appendReply, entry, heartbeat, ofKind, vote } from "./messages-fixture.ts";

/** Node 3 restarts without its last `lost` entries, and knows that something is missing. */
function damage(cluster: TestCluster, lost: number): void {
  const node = cluster.node(3);
  node.disk.splice(node.disk.length - lost);
  node.restart(true);
}

function progressOf(cluster: TestCluster, id: number) {
  return cluster
    .raft(1)
    .status()
    .progress.find((each) => each.id === peer(id));
}

function running(): TestCluster {
  const cluster = new TestCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.propose(1, "a", "b", "c");
  cluster.settle();
  return cluster;
}

describe("a damaged node", () => {
  test("neither votes nor campaigns (contract 16)", () => {
    const cluster = running();
    damage(cluster, 2);
    const node = cluster.node(3);

    node.raft.step(vote({ from: 2, to: 3, term: 2, last: [99, 1], pre: true }));
    node.raft.step(vote({ from: 2, to: 3, term: 9, last: [99, 8] }));
    for (let i = 0; i < 50; i++) node.raft.tick();
    node.raft.input({ kind: "campaign" });

    expect(ofKind(node.take(), "vote-reply").map(({ granted }) => granted)).toEqual([false, false]);
    expect(node.raft.status()).toMatchObject({ role: "follower", damaged: true });
  });

  test("commits no more than it has", () => {
    const cluster = running();
    damage(cluster, 3);

    expect(cluster.raft(3).status()).toMatchObject({ lastIndex: 2, commit: 2 });
  });

  test("is given a new session, receives again what it lost, and is whole (contract 16)", () => {
    const cluster = running();
    damage(cluster, 3);

    cluster.tick(3);
    cluster.propose(1, "d");
    cluster.settle();

    expect(cluster.raft(3).status()).toMatchObject({ damaged: false, lastIndex: 6, commit: 6 });
    expect(progressOf(cluster, 3)).toMatchObject({ state: "replicate", match: 6 });
  });

  test("says so to its leader in the first session it sees, by any answer", () => {
    const cluster = running();
    damage(cluster, 3);
    const node = cluster.node(3);

    node.raft.step(append({ from: 1, to: 3, term: 1, prev: [2, 1], session: 2 }));
    node.raft.step(heartbeat({ from: 1, to: 3, term: 1, session: 2, readSeq: 5 }));
    const replies = node.take();
    node.raft.step(heartbeat({ from: 1, to: 3, term: 1, session: 3, readSeq: 6 }));

    expect(ofKind(replies, "append-reply")).toMatchObject([{ reject: true, lost: true }]);
    expect(ofKind(replies, "heartbeat-reply")).toMatchObject([{ readSeq: 0, lost: true }]);
    expect(ofKind(node.take(), "heartbeat-reply")).toMatchObject([{ readSeq: 0, lost: false }]);
  });

  test("does not count for what it had acknowledged: the leader forgets that", () => {
    const cluster = running();
    damage(cluster, 3);
    cluster.raft(1).tick();
    const beats = cluster
      .node(1)
      .take()
      .filter(({ to }) => to === peer(3));
    for (const message of beats) cluster.raft(3).step(message);

    for (const message of cluster.node(3).take()) cluster.raft(1).step(message);

    expect(progressOf(cluster, 3)).toMatchObject({ state: "probe", match: 0 });
  });

  test("is whole only with an entry of the present leader's term (contract 16)", () => {
    const node = new TestCluster([]).add(3, bootFrom(snapshotAt(1, conf([1, 2, 3]))));
    node.restart(true);
    node.raft.step(heartbeat({ from: 1, to: 3, term: 7, session: 1 }));
    const old = [entry(2, 5)];
    node.raft.step(
      append({ from: 1, to: 3, term: 7, prev: [1, 1], entries: old, commit: 2, session: 2 }),
    );
    node.take();
    node.sync();
    expect(node.raft.status().damaged).toBe(true);

    const own = [entry(3, 7)];
    node.raft.step(
      append({ from: 1, to: 3, term: 7, prev: [2, 5], entries: own, commit: 3, session: 2 }),
    );
    node.take();
    expect(node.raft.status().damaged).toBe(true);
    node.sync();

    expect(node.raft.status().damaged).toBe(false);
  });
});

test("a member that refuses exactly what it had acknowledged starts from nothing", () => {
  const cluster = running();
  cluster.isolate(2);
  cluster.raft(1).input({ kind: "unreachable", peer: peer(2) });
  const { match, next } = progressOf(cluster, 2) ?? { match: at(0), next: at(0) };
  expect(next).toBe(at(match + 1));

  const reply = { from: 2, to: 1, term: 1, index: match, session: 1, reject: true };
  cluster.raft(1).step(appendReply(reply));

  expect(progressOf(cluster, 2)).toMatchObject({ state: "probe", match: 0 });
  cluster.heal();
  cluster.tick(3);
  expect(progressOf(cluster, 2)).toMatchObject({ state: "replicate", match: 5 });
});
