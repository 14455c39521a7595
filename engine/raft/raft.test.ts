import { expect, test } from "bun:test";
import { peer, TestCluster, text } from "./cluster-fixture.ts";

test("a proposal reaches every state machine", () => {
  const cluster = new TestCluster([1, 2, 3]);
  cluster.elect(1);

  cluster.propose(1, "a", "b");
  cluster.settle();

  for (const node of cluster.nodes.values()) {
    expect(node.applied.map(({ data }) => text(data))).toEqual(["", "a", "b"]);
  }
});

test("leadership moves to the wanted member", () => {
  const cluster = new TestCluster([1, 2, 3]);
  cluster.elect(1);

  cluster.raft(1).input({ kind: "transfer", to: peer(3) });
  cluster.settle();

  expect(cluster.raft(3).status().role).toBe("leader");
  const outcomes = cluster.node(1).seen.flatMap(({ transfer }) => transfer ?? []);
  expect(outcomes).toEqual([{ to: peer(3), outcome: "done" }]);
});
