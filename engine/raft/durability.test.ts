import { describe, expect, test } from "bun:test";
import { InvariantError } from "../lib/assert.ts";
import { bootFrom, bytes, conf, snapshotAt, TestCluster } from "./cluster-fixture.ts";
import { append, entry, heartbeat, ofKind, vote, voteReply } from "./messages-fixture.ts";

const alone = () => new TestCluster([]).add(1, bootFrom(snapshotAt(1, conf([1]))));

function ofThree(options: Parameters<TestCluster["add"]>[2] = {}) {
  return new TestCluster([]).add(1, bootFrom(snapshotAt(1, conf([1, 2, 3]))), options);
}

describe("durability", () => {
  test("a vote leaves only once it is on disk (P27, contract 5)", () => {
    const node = ofThree();
    node.raft.step(vote({ from: 2, to: 1, term: 1, last: [1, 1] }));

    expect(node.take()).toEqual([]);
    expect(node.unwritten).toMatchObject([{ fsync: true, hardState: { term: 1, votedFor: 2 } }]);
    node.sync();

    expect(ofKind(node.take(), "vote-reply")).toMatchObject([{ to: 2, granted: true }]);
  });

  test("an acknowledgement leaves only once its entries are on disk (P27)", () => {
    const node = ofThree();
    const entries = [entry(2, 1, "a")];
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries }));

    expect(node.take()).toEqual([]);
    node.sync();

    expect(ofKind(node.take(), "append-reply")).toMatchObject([{ index: 2, reject: false }]);
  });

  test("of several acknowledgements under one job the farthest is sent", () => {
    const node = ofThree();
    for (let index = 2; index < 6; index++) {
      const entries = [entry(index, 1)];
      node.raft.step(append({ from: 2, to: 1, term: 1, prev: [index - 1, 1], entries }));
    }
    node.take();
    node.sync();

    expect(ofKind(node.take(), "append-reply")).toMatchObject([{ index: 5 }]);
  });

  test("heartbeat and pre-vote answers, and refusals, do not wait for the disk (contract 6)", () => {
    const node = ofThree();
    const entries = [entry(2, 1)];
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries }));
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [9, 1] }));
    node.raft.step(heartbeat({ from: 2, to: 1, term: 1 }));

    expect(node.take().map(({ kind }) => kind)).toEqual(["append-reply", "heartbeat-reply"]);
  });

  test("a candidate leads only once its own vote is on disk, whatever the others say", () => {
    const node = ofThree({ preVote: false });
    node.raft.input({ kind: "campaign" });
    node.take();
    for (const from of [2, 3]) {
      node.raft.step(voteReply({ from, to: 1, term: 1, granted: true }));
    }
    expect(node.raft.status().role).toBe("candidate");

    node.sync();

    expect(node.raft.status().role).toBe("leader");
  });

  test("a vote request advertises what is durable, never what is not (contract 4)", () => {
    const node = ofThree({ preVote: false });
    const entries = [entry(2, 1), entry(3, 1)];
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries }));
    node.raft.input({ kind: "forget-leader" });

    node.raft.input({ kind: "campaign" });

    expect(ofKind(node.take(), "vote")[0]).toMatchObject({ lastIndex: 1, lastTerm: 1 });
    expect(node.raft.status().lastIndex).toBe(entries[1]?.index ?? entry(0, 0).index);
  });

  test("appends leave in parallel with the leader's own disk; its match does not (P44)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    const leader = cluster.node(1);
    cluster.propose(1, "a");

    const sent = ofKind(leader.take(), "append");

    expect(sent.map(({ to, entries }) => [Number(to), entries.length])).toEqual([
      [2, 1],
      [3, 1],
    ]);
    expect(leader.unwritten.length).toBe(1);
    expect(leader.raft.status()).toMatchObject({ lastIndex: 3, durable: 2 });
  });

  test("a single node commits nothing before it is durable (P44)", () => {
    const node = alone();
    node.raft.input({ kind: "campaign" });
    node.take();
    node.sync();
    expect(node.raft.status()).toMatchObject({ role: "leader", lastIndex: 2, commit: 1 });

    node.take();
    expect(node.raft.status().commit).toBe(node.raft.status().durable);
    node.sync();

    expect(node.raft.status()).toMatchObject({ commit: 2, durable: 2 });
  });

  test("everything of one turn is one job, and nothing is two", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    const leader = cluster.node(1);
    for (let i = 0; i < 100; i++) cluster.propose(1, `p${i}`);

    const sent = ofKind(leader.take(), "append");

    expect(sent.map(({ entries }) => entries.length)).toEqual([100, 100]);
    expect(leader.unwritten.map(({ entries }) => entries.length)).toEqual([100]);
    expect(leader.raft.take()).toBeNull();
  });

  test("a job is not synced only when nothing but the commit index moved (contract 8)", () => {
    const node = ofThree();
    const entries = [entry(2, 1)];
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries }));
    node.take();
    node.sync();
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [2, 1], commit: 2 }));
    node.take();

    expect(node.unwritten).toMatchObject([{ fsync: false, entries: [], hardState: { commit: 2 } }]);
  });

  test("an acknowledgement does not wait for a job that is not synced", () => {
    const node = ofThree();
    const entries = [entry(2, 1)];
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries }));
    node.take();
    node.sync();
    node.take();

    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [2, 1], commit: 2 }));

    expect(ofKind(node.take(), "append-reply")).toMatchObject([{ index: 2 }]);
  });

  test("a job with entries carries the commit index of its moment (P12)", () => {
    const node = ofThree();
    const first = [entry(2, 1)];
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries: first }));
    const more = [entry(3, 1)];
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [2, 1], entries: more, commit: 2 }));
    node.take();

    expect(node.unwritten[0]?.hardState?.commit).toBe(entry(2, 1).index);
    expect(node.unwritten[0]?.entries.length).toBe(2);
  });

  test("applies what is committed and durable here, once, within the limit (contract 9)", () => {
    const node = ofThree({ maxApplyEntries: 2 });
    const entries = [2, 3, 4, 5].map((index) => entry(index, 1, `${index}`));
    node.raft.step(append({ from: 2, to: 1, term: 1, prev: [1, 1], entries, commit: 5 }));
    expect(node.raft.take()?.apply).toEqual([]);
    node.raft.persisted(1);

    const first = node.raft.take();
    const again = node.raft.take();
    node.raft.applied(entry(3, 1).index);
    const second = node.raft.take();

    expect(first?.apply.map(({ index }) => Number(index))).toEqual([2, 3]);
    expect(again).toBeNull();
    expect(second?.apply.map(({ index }) => Number(index))).toEqual([4, 5]);
  });

  test("jobs are reported in order, or the node stops (P52)", () => {
    const node = ofThree();
    for (const index of [2, 3]) {
      const entries = [entry(index, 1)];
      node.raft.step(append({ from: 2, to: 1, term: 1, prev: [index - 1, 1], entries }));
      node.take();
    }
    node.raft.persisted(2);

    expect(() => node.raft.persisted(1)).toThrow(InvariantError);
    expect(() => node.raft.tick()).toThrow(InvariantError);
  });

  test("a storage error is the end: nothing leaves any more (P28, contract 13)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    const leader = cluster.node(1);
    cluster.propose(1, "a");
    leader.raft.read(7);

    leader.raft.input({ kind: "storage-failed", reason: "io" });
    const last = leader.raft.take();
    leader.raft.tick();
    leader.raft.step(vote({ from: 2, to: 1, term: 9, last: [9, 9] }));
    leader.raft.persisted(99);

    expect(last).toMatchObject({ messages: [], persist: null, role: { role: "halted" } });
    expect(last?.reads).toEqual([{ ctx: 7, index: null }]);
    expect(leader.raft.propose([bytes("b")])).toMatchObject({ ok: false, reason: "halted" });
    expect(leader.raft.take()).toBeNull();
  });

  test("a leader whose disk stalls for an election timeout leads no more", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    const leader = cluster.node(1);
    cluster.propose(1, "a");
    leader.take();

    for (let i = 0; i < 11; i++) {
      leader.raft.tick();
      for (const message of leader.take()) cluster.raft(Number(message.to)).step(message);
      for (const id of [2, 3]) {
        for (const message of cluster.node(id).take()) leader.raft.step(message);
      }
    }

    expect(leader.raft.status().role).toBe("follower");
    leader.raft.input({ kind: "campaign" });
    expect(leader.raft.status().role).toBe("follower");
  });
});
