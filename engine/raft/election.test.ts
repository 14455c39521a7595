import { describe, expect, test } from "bun:test";
import { bootFrom, conf, inTerm, peer, snapshotAt, TestCluster } from "./cluster-fixture.ts";
import { append, entry, heartbeat, ofKind, vote } from "./messages-fixture.ts";

/** A follower of term 1 in a cluster of three, with nobody else running. */
function follower(options: Parameters<TestCluster["add"]>[2] = {}) {
  const cluster = new TestCluster([]);
  return cluster.add(1, bootFrom(snapshotAt(1, conf([1, 2, 3]))), options);
}

describe("election", () => {
  test("a follower that hears nothing campaigns after a random election timeout (Raft §5.2)", () => {
    const node = follower({ rng: { below: () => 3 } });

    for (let i = 0; i < 12; i++) node.raft.tick();
    expect(node.raft.status().role).toBe("follower");
    node.raft.tick();

    expect(node.raft.status().role).toBe("precandidate");
  });

  test("a pre-vote touches neither term nor vote, of the asker or the asked (P20)", () => {
    const node = follower();
    for (let i = 0; i < 5; i++) node.raft.tick();

    node.raft.step(vote({ from: 2, to: 1, term: 1, last: [1, 1], pre: true }));
    const [reply] = ofKind(node.take(), "vote-reply");

    expect(reply).toMatchObject({ pre: true, granted: true, term: 1 });
    expect(node.raft.status()).toMatchObject({ term: 0, votedFor: 0 });
    expect(node.unwritten).toEqual([]);
    for (let i = 0; i < 14; i++) node.raft.tick();
    expect(node.raft.status().role).toBe("precandidate");
  });

  test("refuses a second vote in the same term (Raft §5.2)", () => {
    const node = follower();

    node.raft.step(vote({ from: 2, to: 1, term: 5, last: [1, 1] }));
    node.raft.step(vote({ from: 3, to: 1, term: 5, last: [9, 4] }));

    expect(ofKind(node.take(), "vote-reply")).toMatchObject([{ to: 3, granted: false }]);
    expect(node.raft.status().votedFor).toBe(peer(2));
  });

  test("keeps its vote when it steps down within a term (P24)", () => {
    const node = follower({ preVote: false });
    node.raft.input({ kind: "campaign" });
    expect(node.raft.status()).toMatchObject({ role: "candidate", term: 1, votedFor: 1 });

    node.raft.step(heartbeat({ from: 2, to: 1, term: 1 }));
    node.raft.input({ kind: "forget-leader" });
    node.raft.step(vote({ from: 3, to: 1, term: 1, last: [9, 1] }));

    expect(node.raft.status()).toMatchObject({ role: "follower", votedFor: 1 });
    expect(ofKind(node.take(), "vote-reply")).toMatchObject([{ to: 3, granted: false }]);
  });

  test("refuses a candidate whose log is behind: by term first, then by length (Raft §5.4.1)", () => {
    const grants = (lastIndex: number, lastTerm: number, transfer = false): boolean => {
      const node = follower();
      const entries = [entry(2, 2), entry(3, 2)];
      node.raft.step(append({ from: 2, to: 1, term: 2, prev: [1, 1], entries }));
      node.take();
      node.sync();
      node.take();
      node.raft.input({ kind: "forget-leader" });
      node.raft.step(vote({ from: 3, to: 1, term: 3, last: [lastIndex, lastTerm], transfer }));
      node.take();
      node.sync();
      return ofKind(node.take(), "vote-reply").some(({ granted }) => granted);
    };

    expect([grants(9, 1), grants(2, 2), grants(3, 2), grants(2, 3)]).toEqual([
      false,
      false,
      true,
      true,
    ]);
    // Whoever leadership is handed to needs the whole log as well (P23).
    expect([grants(2, 2, true), grants(3, 2, true)]).toEqual([false, true]);
  });

  test("hears its leader, so it takes part in no election (thesis §4.2.3, P16)", () => {
    const node = follower();
    node.raft.step(heartbeat({ from: 2, to: 1, term: 4 }));

    node.raft.step(vote({ from: 3, to: 1, term: 9, last: [9, 8] }));
    expect(node.raft.status()).toMatchObject({ term: 4, leader: 2, votedFor: 0 });

    node.raft.step(vote({ from: 3, to: 1, term: 9, last: [9, 8], transfer: true }));
    expect(node.raft.status()).toMatchObject({ term: 9, votedFor: 3 });
  });

  test("answers its own leader's question: that one knows that it leads no more (P21)", () => {
    const node = follower();
    node.raft.step(heartbeat({ from: 2, to: 1, term: 4 }));
    node.take();

    node.raft.step(vote({ from: 2, to: 1, term: 5, last: [9, 4], pre: true }));

    expect(ofKind(node.take(), "vote-reply")).toMatchObject([{ granted: true }]);
  });

  test("a node that was cut off does not raise the term of the others (P16, P19)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.tick(100);
    expect(cluster.raft(3).status().role).toBe("precandidate");

    cluster.heal();
    cluster.tick(30);

    expect(cluster.raft(1).status()).toMatchObject({ role: "leader", term: 1 });
    expect(cluster.raft(3).status()).toMatchObject({ role: "follower", term: 1, leader: 1 });
  });

  test("tells a leader of the past the present term (P19)", () => {
    const node = follower();
    node.raft.step(heartbeat({ from: 2, to: 1, term: 7 }));
    node.take();

    node.raft.step(append({ from: 3, to: 1, term: 3, prev: [1, 1] }));
    node.raft.step(heartbeat({ from: 3, to: 1, term: 3 }));

    expect(node.take().map(({ to, term }) => [to, term])).toEqual([
      [peer(3), inTerm(7)],
      [peer(3), inTerm(7)],
    ]);
    expect(node.raft.status().leader).toBe(peer(2));
  });

  test("a leader that no quorum answers steps down (P5, P49)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.cut(2, 1);
    cluster.cut(3, 1);

    for (let i = 0; i < 20; i++) cluster.raft(1).tick();

    expect(cluster.raft(1).status()).toMatchObject({ role: "follower", leader: 0 });
  });

  test("a leader that hears the others but is not heard is replaced (P49)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);

    for (const id of [2, 3]) cluster.cut(1, id);
    cluster.tick(40);

    expect(cluster.raft(1).status().role).toBe("follower");
    const [two, three] = [cluster.raft(2).status(), cluster.raft(3).status()];
    expect([two.role, three.role].sort()).toEqual(["follower", "leader"]);
    expect(two.term).toBeLessThanOrEqual(3);
  });

  test("a leader alone with its learners steps down as well", () => {
    const cluster = new TestCluster([]);
    const state = conf([1, 2], [3]);
    for (const id of [1, 2, 3]) cluster.add(id, bootFrom(snapshotAt(1, state)));
    cluster.elect(1);
    cluster.isolate(2);

    cluster.tick(20);

    expect(cluster.raft(1).status().role).not.toBe("leader");
  });

  test("restarted together, the nodes elect a leader that can commit (P2)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "a");
    cluster.settle();
    for (const node of cluster.nodes.values()) node.restart();

    cluster.elect(2);

    expect(cluster.raft(2).status()).toMatchObject({ commit: 4, lastIndex: 4 });
  });

  test("does not forget its vote in a crash (P31)", () => {
    const node = follower();
    node.raft.step(vote({ from: 2, to: 1, term: 5, last: [1, 1] }));
    node.take();
    node.sync();

    node.restart();
    node.raft.step(vote({ from: 3, to: 1, term: 5, last: [1, 1] }));

    expect(ofKind(node.take(), "vote-reply")).toMatchObject([{ to: 3, granted: false }]);
  });

  test("votes by the asker's view: it may not know yet that it votes (P17)", () => {
    const cluster = new TestCluster([]);
    const learner = cluster.add(3, bootFrom(snapshotAt(1, conf([1, 2], [3]))));

    learner.raft.step(vote({ from: 1, to: 3, term: 2, last: [1, 1] }));
    learner.take();
    learner.sync();

    expect(ofKind(learner.take(), "vote-reply")).toMatchObject([{ to: 1, granted: true }]);
  });

  test("with campaigns off it never stands by itself, only when asked to", () => {
    const node = follower({ campaigns: false });
    for (let i = 0; i < 100; i++) node.raft.tick();
    expect(node.raft.status().role).toBe("follower");

    node.raft.input({ kind: "campaign" });

    expect(node.raft.status().role).toBe("precandidate");
  });

  test("a leader's death that is seen costs no timeout (contract 17)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    for (const id of [2, 3]) cluster.raft(id).input({ kind: "forget-leader" });

    cluster.raft(2).input({ kind: "campaign" });
    cluster.settle();

    expect(cluster.raft(2).status()).toMatchObject({ role: "leader", term: 2 });
  });

  test("a broken single link disturbs nobody (contract 17)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.cut(1, 2);
    cluster.raft(2).input({ kind: "forget-leader" });

    cluster.raft(2).input({ kind: "campaign" });
    cluster.settle();

    expect(cluster.raft(1).status()).toMatchObject({ role: "leader", term: 1 });
  });
});
