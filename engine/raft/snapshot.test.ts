import { describe, expect, test } from "bun:test";
import { at, bootFrom, conf, inTerm, peer, snapshotAt, TestCluster } from "./cluster-fixture.ts";
import { append, entry, ofKind } from "./messages-fixture.ts";
import type { Message, SnapshotMeta } from "./types.ts";

const snapshotMessage = (snapshot: SnapshotMeta, term = 9): Message => ({
  kind: "snapshot",
  from: peer(2),
  to: peer(1),
  term: inTerm(term),
  session: 1,
  snapshot,
});

/** Follower 1 with entries 2, 3, 4 of term 1, durable, nothing committed. */
function follower() {
  const node = new TestCluster([]).add(1, bootFrom(snapshotAt(1, conf([1, 2, 3]))));
  const entries = [2, 3, 4].map((index) => entry(index, 1));
  node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries }));
  node.take();
  node.sync();
  node.take();
  return node;
}

function progressOf(cluster: TestCluster, id: number, leader = 1) {
  return cluster
    .raft(leader)
    .status()
    .progress.find((each) => each.id === peer(id));
}

/** A leader whose log starts above what node 3, cut off, has. */
function compacted(): TestCluster {
  const cluster = new TestCluster([1, 2, 3]);
  cluster.elect(1);
  cluster.isolate(3);
  for (let i = 0; i < 10; i++) cluster.propose(1, `p${i}`);
  // Until nobody waits for node 3 any more.
  cluster.tick(25);
  cluster.node(1).makeSnapshot();
  cluster.settle();
  return cluster;
}

describe("snapshots", () => {
  test("bring back a member that the log no longer reaches", () => {
    const cluster = compacted();
    const { firstIndex, commit } = cluster.raft(1).status();
    expect(firstIndex).toBe(at(commit + 1));

    cluster.heal();
    cluster.tick(3);
    cluster.propose(1, "more");
    cluster.settle();

    expect(progressOf(cluster, 3)).toMatchObject({ state: "replicate", match: commit + 1 });
    expect(cluster.raft(3).status().applied).toBe(at(commit + 1));
    expect(cluster.node(3).applied.length).toBe(2);
  });

  test("are not sent to who is not there", () => {
    const cluster = compacted();
    cluster.tick(25);

    const offers = cluster.node(1).seen.flatMap(({ sendSnapshots }) => sendSnapshots);

    expect(offers).toEqual([]);
  });

  test("are sent once, not again and again while one is under way (P34)", () => {
    const cluster = compacted();
    cluster.heal();
    cluster.holdsSnapshots = true;
    cluster.tick(5);
    const offers = cluster.node(1).seen.flatMap(({ sendSnapshots }) => sendSnapshots);
    expect(offers.length).toBe(1);
    expect(progressOf(cluster, 3)?.state).toBe("snapshot");

    cluster.holdsSnapshots = false;
    const session = offers[0]?.session ?? 0;
    cluster.raft(1).input({ kind: "snapshot-sent", to: peer(3), session, ok: false });
    cluster.tick(3);

    expect(progressOf(cluster, 3)?.state).toBe("replicate");
  });

  test("under way keep the log that their receiver will need (P35)", () => {
    const cluster = compacted();
    cluster.heal();
    cluster.holdsSnapshots = true;
    cluster.tick(2);
    expect(progressOf(cluster, 3)?.state).toBe("snapshot");
    const from = cluster.raft(1).status().firstIndex;
    for (let i = 0; i < 5; i++) cluster.propose(1, "more");
    cluster.settle();

    cluster.node(1).makeSnapshot();

    expect(cluster.raft(1).status().firstIndex).toBe(from);
  });

  test("leave the log of a member that is there and has not caught up yet (P35)", () => {
    const cluster = new TestCluster([1, 2, 3], { maxCatchUpEntries: 20 });
    cluster.elect(1);
    cluster.settle();
    const { match = 0 } = progressOf(cluster, 3) ?? {};
    cluster.cut(1, 3);
    for (let i = 0; i < 10; i++) cluster.propose(1, `p${i}`);
    cluster.settle();

    cluster.node(1).makeSnapshot();
    expect(cluster.raft(1).status().firstIndex).toBe(at(match + 1));
    cluster.heal();
    cluster.tick(3);
    expect(progressOf(cluster, 3)?.match).toBe(cluster.raft(1).status().lastIndex);

    cluster.cut(1, 3);
    for (let i = 0; i < 30; i++) cluster.propose(1, `q${i}`);
    cluster.settle();
    cluster.node(1).makeSnapshot();
    const { firstIndex, commit } = cluster.raft(1).status();
    expect(firstIndex).toBe(at(commit + 1));
  });

  test("right after an election leave the log of members that nothing is known of (P35)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    for (let i = 0; i < 10; i++) cluster.propose(1, `p${i}`);
    cluster.settle();
    cluster.isolate(3);
    cluster.raft(1).input({ kind: "transfer", to: peer(2) });
    cluster.settle();
    const { firstIndex } = cluster.raft(2).status();
    expect(progressOf(cluster, 3, 2)?.match).toBe(at(0));

    cluster.node(2).makeSnapshot();

    expect(cluster.raft(2).status().firstIndex).toBe(firstIndex);
  });

  test("replace the whole log: one job, and the state machine only after it (P32, P33)", () => {
    const node = follower();
    const snapshot = { ...snapshotAt(4, conf([1, 2])), term: inTerm(5) };

    node.raft.step(snapshotMessage(snapshot));
    const before = node.raft.take();
    expect(before).toMatchObject({ persist: { snapshot, entries: [] }, restore: null, apply: [] });
    expect(ofKind(before?.messages ?? [], "append-reply")).toEqual([]);
    node.raft.persisted(before?.persist?.seq ?? 0);
    const after = node.raft.take();

    expect(after?.restore).toEqual(snapshot);
    expect(after?.messages).toMatchObject([{ kind: "append-reply", index: 4, reject: false }]);
    expect(node.raft.status()).toMatchObject({
      commit: 4,
      lastIndex: 4,
      firstIndex: 5,
      conf: conf([1, 2]),
    });
  });

  test("hold back what follows until the state machine was swapped (contract 9)", () => {
    const node = follower();
    node.raft.step(snapshotMessage({ ...snapshotAt(9, conf([1, 2])), term: inTerm(5) }));
    const entries = [entry(10, 9)];
    node.raft.step(append({ from: 2, to: 1, term: 9, prev: [9, 5], entries, commit: 10 }));
    const job = node.raft.take()?.persist;
    expect(job?.entries.length).toBe(1);
    node.raft.persisted(job?.seq ?? 0);

    expect(node.raft.take()).toMatchObject({ restore: { index: 9 }, apply: [] });
    node.raft.applied(at(9));

    expect(node.raft.take()?.apply.map(({ index }) => Number(index))).toEqual([10]);
  });

  test("of what the log already holds only move the commit index (P33, contract 12)", () => {
    const node = follower();

    node.raft.step(snapshotMessage(snapshotAt(3, conf([1, 2, 3]))));

    expect(node.raft.status()).toMatchObject({ commit: 3, lastIndex: 4 });
    expect(node.raft.take()?.persist?.snapshot).toBeNull();
  });

  test("that are old are ignored, and answered with the commit index", () => {
    const node = follower();
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [4, 1], commit: 4 }));
    node.take();

    node.raft.step(snapshotMessage(snapshotAt(2, conf([1])), 1));
    node.take();
    node.sync();
    const replies = node.seen.flatMap(({ messages }) => ofKind(messages, "append-reply"));

    expect(replies.at(-1)).toMatchObject({ index: 4, reject: false });
    expect(node.raft.status().conf).toEqual(conf([1, 2, 3]));
  });

  test("in the middle of an installation a node neither campaigns nor loses its place", () => {
    const node = follower();
    node.raft.step(snapshotMessage({ ...snapshotAt(9, conf([1, 2])), term: inTerm(5) }));
    node.raft.input({ kind: "forget-leader" });

    node.raft.input({ kind: "campaign" });
    expect(node.raft.status().role).toBe("follower");
    const { seq = 0 } = node.raft.take()?.persist ?? {};
    node.raft.persisted(seq);
    expect(node.raft.take()?.restore?.index).toBe(at(9));
    node.raft.input({ kind: "campaign" });
    expect(node.raft.status().role).toBe("follower");
    node.raft.applied(at(9));
    node.raft.input({ kind: "campaign" });

    expect(node.raft.status().role).toBe("precandidate");
  });
});
