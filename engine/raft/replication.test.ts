import { describe, expect, test } from "bun:test";
import {
  at,
  bootFrom,
  conf,
  inTerm,
  peer,
  snapshotAt,
  TestCluster,
  text,
} from "./cluster-fixture.ts";
import { append, appendReply, electByHand, entry, heartbeat, ofKind } from "./messages-fixture.ts";

function follower() {
  return new TestCluster([]).add(1, bootFrom(snapshotAt(1, conf([1, 2, 3]))));
}

/** Durably holds entries of these terms from index 2 on. */
function followerWith(...terms: readonly number[]) {
  const node = follower();
  const entries = terms.map((term, place) => entry(place + 2, term, `old${place + 2}`));
  const term = terms.at(-1) ?? 1;
  node.raft.step(append({ from: 2, to: 1, term, prev: [1, 1], entries }));
  node.take();
  node.sync();
  node.take();
  return node;
}

function replies(node: ReturnType<typeof follower>) {
  const first = node.take();
  node.sync();
  return ofKind([...first, ...node.take()], "append-reply");
}

const contents = (node: ReturnType<typeof follower>): readonly string[] =>
  node.disk.map(({ data }) => text(data));

describe("a follower", () => {
  test("truncates only where the logs differ: a late duplicate takes nothing away (P9)", () => {
    const node = followerWith(1, 1, 1);

    const entries = [entry(2, 1, "old2")];
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries }));

    expect(replies(node)).toMatchObject([{ index: 2, reject: false }]);
    expect(contents(node)).toEqual(["old2", "old3", "old4"]);
  });

  test("replaces what differs from the leader's log (Raft §5.3)", () => {
    const node = followerWith(1, 1, 1);

    const entries = [entry(3, 2, "new3")];
    node.raft.step(append({ from: 3, to: 1, term: 2, prev: [2, 1], entries }));

    expect(replies(node)).toMatchObject([{ index: 3, reject: false }]);
    expect(contents(node)).toEqual(["old2", "new3"]);
  });

  test("acknowledges what this message has shown, not its own last entry (P8)", () => {
    const node = followerWith(1, 1, 1);

    node.raft.step(append({ from: 3, to: 1, term: 2, prev: [2, 1] }));

    expect(replies(node)).toMatchObject([{ index: 2, reject: false }]);
  });

  test("commits no further than what this message has shown (P7)", () => {
    const node = followerWith(1, 1, 1);

    node.raft.step(append({ from: 3, to: 1, term: 2, prev: [2, 1], commit: 4 }));

    expect(node.raft.status().commit).toBe(at(2));
  });

  test("commits by heartbeat no further than what is known to match (P6)", () => {
    const node = followerWith(1, 1, 1);

    node.raft.step(heartbeat({ from: 3, to: 1, term: 2, commit: 4 }));
    expect(node.raft.status().commit).toBe(at(1));

    node.raft.step(append({ from: 3, to: 1, term: 2, prev: [3, 1] }));
    node.raft.step(heartbeat({ from: 3, to: 1, term: 2, commit: 4 }));
    expect(node.raft.status().commit).toBe(at(3));
  });

  test("learns the commit index by heartbeat after a restart, without another entry", () => {
    const node = followerWith(1, 1, 1);
    node.restart();

    node.raft.step(heartbeat({ from: 2, to: 1, term: 1, commit: 4 }));

    expect(node.raft.status().commit).toBe(at(4));
  });

  test("refuses a gap, and says where the logs may agree (Raft §5.3)", () => {
    const node = followerWith(1, 1, 3, 3);

    node.raft.step(append({ from: 3, to: 1, term: 9, prev: [7, 5] }));
    node.raft.step(append({ from: 3, to: 1, term: 9, prev: [5, 2] }));

    expect(replies(node)).toMatchObject([
      { index: 7, reject: true, hintIndex: 5, hintTerm: 3 },
      { index: 5, reject: true, hintIndex: 3, hintTerm: 1 },
    ]);
  });

  test("does not listen to who contradicts what is committed", () => {
    const node = followerWith(1, 1);
    node.raft.step(heartbeat({ from: 2, to: 1, term: 1, commit: 3 }));

    const entries = [entry(2, 5), entry(3, 5)];
    node.raft.step(append({ from: 3, to: 1, term: 5, prev: [1, 1], entries }));
    node.raft.step(append({ from: 3, to: 1, term: 5, prev: [3, 1], entries: [entry(9, 5)] }));

    expect(node.raft.status()).toMatchObject({ lastIndex: 3, commit: 3 });
  });
});

describe("a leader", () => {
  test("commits an entry of an earlier term only together with one of its own (Figure 8, P1)", () => {
    const members = conf([1, 2, 3, 4, 5]);
    const node = new TestCluster([]).add(1, bootFrom(snapshotAt(1, members)), { preVote: false });
    node.raft.step(append({ from: 5, to: 1, term: 2, prev: [1, 1], entries: [entry(2, 2)] }));
    node.take();
    node.sync();
    electByHand(node, [2, 3]);
    node.take();
    node.sync();

    for (const from of [2, 3, 4]) {
      node.raft.step(appendReply({ from, to: 1, term: 3, index: 2, session: from - 1 }));
    }
    expect(node.raft.status().commit).toBe(at(1));
    for (const from of [2, 3]) {
      node.raft.step(appendReply({ from, to: 1, term: 3, index: 3, session: from - 1 }));
    }

    expect(node.raft.status().commit).toBe(at(3));
  });

  test("repairs a divergent log in one round per term, not per entry (Raft §5.3)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    for (let i = 0; i < 30; i++) cluster.propose(1, `lost${i}`);
    cluster.settle();
    for (const id of [2, 3]) cluster.raft(id).input({ kind: "forget-leader" });
    cluster.elect(2);
    for (let i = 0; i < 30; i++) cluster.propose(2, `kept${i}`);
    cluster.settle();
    cluster.heal();
    const sentBefore = cluster.node(2).seen.flatMap(({ messages }) => messages).length;

    cluster.tick(2);

    const sent = cluster
      .node(2)
      .seen.flatMap(({ messages }) => messages)
      .slice(sentBefore);
    expect(ofKind(sent, "append").filter(({ to }) => to === peer(1)).length).toBeLessThan(5);
    expect(cluster.node(1).disk.map(({ data }) => text(data))).toEqual(
      cluster.node(2).disk.map(({ data }) => text(data)),
    );
  });

  test("learns which of its own proposals were overwritten, only when that is certain (P38)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    const lost = cluster.propose(1, "lost");
    cluster.settle();
    for (const id of [2, 3]) cluster.raft(id).input({ kind: "forget-leader" });
    cluster.elect(2);
    cluster.heal();
    const before = cluster.node(1).seen.length;

    cluster.tick(2);

    const dropped = cluster
      .node(1)
      .seen.slice(before)
      .flatMap((effects) => effects.dropped);
    expect(dropped).toEqual([{ index: lost, term: inTerm(1) }]);
  });

  test("keeps `match` where it was when acknowledgements come out of order (P10)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(2);
    cluster.isolate(3);
    cluster.propose(1, "a", "b");
    cluster.settle();
    const progress = () =>
      cluster
        .raft(1)
        .status()
        .progress.find(({ id }) => id === peer(2));
    const session = sessionOf(cluster, 2);

    cluster.raft(1).step(appendReply({ from: 2, to: 1, term: 1, index: 4, session }));
    cluster.raft(1).step(appendReply({ from: 2, to: 1, term: 1, index: 3, session }));
    cluster.raft(1).step(appendReply({ from: 2, to: 1, term: 1, index: 99, session }));

    expect(progress()).toMatchObject({ match: 4, next: 5, inflight: 0, inflightBytes: 0 });
  });

  test("moves `next` back never below what was acknowledged, and once per refusal (P39, P42)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.propose(1, "a", "b", "c");
    cluster.settle();
    const session = sessionOf(cluster, 2);
    const reject = { from: 2, to: 1, term: 1, session, reject: true };
    cluster.isolate(2);

    cluster.raft(1).step(appendReply({ ...reject, index: 4 }));
    expect(progressOf(cluster, 2)).toMatchObject({ state: "replicate", match: 5, next: 6 });
    cluster.raft(1).step(appendReply({ ...reject, index: 6 }));
    cluster.raft(1).step(appendReply({ ...reject, index: 6 }));

    expect(progressOf(cluster, 2)).toMatchObject({ state: "probe", match: 5, next: 6 });
  });

  test("sends no more than the window allows, and goes on when a heartbeat is answered (P40, P41)", () => {
    const cluster = new TestCluster([1, 2, 3], { maxInflightMsgs: 2, maxMsgBytes: 1 });
    cluster.elect(1);
    cluster.cut(1, 3);
    for (let i = 0; i < 5; i++) cluster.propose(1, `p${i}`);
    cluster.settle();
    expect(progressOf(cluster, 3)).toMatchObject({ state: "replicate", inflight: 2 });
    expect(progressOf(cluster, 2)).toMatchObject({ inflight: 0, match: 7 });

    cluster.heal();
    cluster.tick(2);

    expect(progressOf(cluster, 3)).toMatchObject({ inflight: 0, inflightBytes: 0, match: 7 });
  });

  test("fetches what is older than its cache, and sends it", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    const big = "x".repeat(400 * 1024);
    for (let i = 0; i < 60; i++) {
      cluster.propose(1, big);
      cluster.settle();
    }
    cluster.tick(20);
    cluster.heal();

    cluster.tick(5);

    const fetches = cluster.node(1).seen.flatMap(({ fetch }) => fetch);
    expect(fetches.length).toBeGreaterThan(0);
    expect(cluster.raft(3).status().applied).toBe(cluster.raft(1).status().commit);
  });

  test("sends by heartbeat no commit index above what the member has (P6)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);
    cluster.propose(1, "a");
    cluster.settle();

    cluster.raft(1).tick();
    const beats = ofKind(cluster.node(1).take(), "heartbeat");

    expect(beats.map(({ to, commit }) => [Number(to), Number(commit)])).toEqual([
      [2, 3],
      [3, 2],
    ]);
  });

  test("refuses to hear another leader of its term", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);

    cluster.raft(1).step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries: [entry(2, 1)] }));

    expect(cluster.raft(1).status()).toMatchObject({ role: "leader", lastIndex: 2 });
  });

  test("shows a member as active at every moment while it answers", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);

    const seen: (boolean | undefined)[] = [];
    for (let tick = 0; tick < 25; tick++) {
      cluster.raft(1).tick();
      seen.push(progressOf(cluster, 2)?.active);
      cluster.settle();
    }

    expect(new Set(seen)).toEqual(new Set([true]));
  });

  test("shows a silent member as inactive after two windows of the quorum check", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(3);

    cluster.tick(10);
    expect(progressOf(cluster, 3)?.active).toBe(true);
    cluster.tick(10);

    expect(progressOf(cluster, 3)?.active).toBe(false);
    expect(progressOf(cluster, 2)?.active).toBe(true);
  });

  test("shows a member whose stream was closed as inactive after one window", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.tick(10);
    cluster.isolate(3);

    cluster.tick(10);
    cluster.raft(1).input({ kind: "unreachable", peer: peer(3) });

    expect(progressOf(cluster, 3)?.active).toBe(false);
  });

  test("trusts its members for one window when it begins to lead", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.isolate(3);

    cluster.elect(1);

    expect(progressOf(cluster, 3)?.active).toBe(true);
  });
});

function progressOf(cluster: TestCluster, id: number) {
  return cluster
    .raft(1)
    .status()
    .progress.find((each) => each.id === peer(id));
}

/** The session of the leader's last message to this member. */
function sessionOf(cluster: TestCluster, id: number): number {
  const sent = cluster.node(1).seen.flatMap(({ messages }) => messages);
  return ofKind(sent, "append").findLast(({ to }) => to === peer(id))?.session ?? 0;
}
