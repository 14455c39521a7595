import { describe, expect, test } from "bun:test";
import { at, bootFrom, conf, snapshotAt, TestCluster } from "./cluster-fixture.ts";
import {
  append,
  appendReply,
  electByHand,
  entry,
  heartbeatReply,
  ofKind,
} from "./messages-fixture.ts";

describe("reads", () => {
  test("are answered by any node with the leader's commit index", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    const last = cluster.propose(1, "a");
    cluster.settle();

    cluster.raft(1).read(7);
    cluster.raft(3).read(8);
    cluster.settle();

    expect(cluster.node(1).lastRead()).toEqual({ ctx: 7, index: last });
    expect(cluster.node(3).lastRead()).toEqual({ ctx: 8, index: last });
  });

  test("of one turn share one round of heartbeats", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    for (let ctx = 0; ctx < 50; ctx++) cluster.raft(1).read(ctx);

    expect(ofKind(cluster.node(1).take(), "heartbeat").length).toBe(2);
  });

  test("wait until an entry of the leader's own term is committed (P3)", () => {
    const members = conf([1, 2, 3]);
    const node = new TestCluster([]).add(1, bootFrom(snapshotAt(1, members)), { preVote: false });
    node.raft.step(append({ from: 3, to: 1, term: 2, prev: [1, 1], entries: [entry(2, 2)] }));
    node.take();
    node.sync();
    electByHand(node, [2]);
    node.raft.read(7);
    node.take();
    node.sync();
    node.raft.step(heartbeatReply({ from: 2, to: 1, term: 3, readSeq: 1 }));
    expect(ofKind(node.take(), "heartbeat")).toEqual([]);

    node.raft.step(appendReply({ from: 2, to: 1, term: 3, index: 3 }));
    expect(ofKind(node.take(), "heartbeat")[0]?.readSeq).toBe(1);
    node.raft.step(heartbeatReply({ from: 2, to: 1, term: 3, readSeq: 1 }));
    node.take();

    expect(node.lastRead()).toEqual({ ctx: 7, index: at(3) });
  });

  test("are not confirmed by answers to an earlier round, nor of an earlier term (P4)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.raft(1).read(1);
    cluster.settle();
    cluster.isolate(1);
    const before = cluster.node(1).seen.length;
    cluster.raft(1).read(2);
    cluster.settle();

    for (const from of [2, 3]) {
      for (const session of [1, 2]) {
        cluster.raft(1).step(heartbeatReply({ from, to: 1, term: 1, readSeq: 1, session }));
        cluster.raft(1).step(heartbeatReply({ from, to: 1, term: 0, readSeq: 2, session }));
        cluster.raft(1).step(heartbeatReply({ from, to: 1, term: 1, readSeq: 99, session }));
      }
    }
    cluster.settle();

    const reads = cluster
      .node(1)
      .seen.slice(before)
      .flatMap((effects) => effects.reads);
    expect(reads).toEqual([]);
  });

  test("of a leader that is cut off are never answered, then refused (P5)", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.raft(1).read(7);
    cluster.settle();
    expect(cluster.node(1).lastRead()).toBeUndefined();

    for (let i = 0; i < 25; i++) cluster.raft(1).tick();
    cluster.settle();

    expect(cluster.node(1).lastRead()).toEqual({ ctx: 7, index: null });
  });

  test("without a leader are refused at once", () => {
    const cluster = new TestCluster([1, 2, 3]);

    cluster.raft(1).read(7);
    cluster.settle();

    expect(cluster.node(1).lastRead()).toEqual({ ctx: 7, index: null });
  });

  test("whose question was lost are refused after an election timeout", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.cut(2, 1);
    cluster.raft(2).read(7);
    cluster.settle();

    cluster.tick(10);

    expect(cluster.node(2).lastRead()).toEqual({ ctx: 7, index: null });
  });

  test("that a former leader is asked for are refused, so that the asker tries elsewhere", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);
    cluster.raft(2).read(7);
    const [question] = ofKind(cluster.node(2).take(), "read-index");

    if (question !== undefined) cluster.raft(3).step({ ...question, to: cluster.node(3).id });
    cluster.settle();

    expect(cluster.node(2).lastRead()).toEqual({ ctx: 7, index: null });
  });

  test("of a single node are answered without anybody else", () => {
    const cluster = new TestCluster([]);
    const node = cluster.add(1, bootFrom(snapshotAt(1, conf([1]))));
    cluster.elect(1);

    node.raft.read(7);
    cluster.settle();

    expect(node.lastRead()).toEqual({ ctx: 7, index: at(2) });
  });

  test("are not confirmed by learners", () => {
    const cluster = new TestCluster([]);
    const state = conf([1, 2, 3], [4, 5]);
    for (const id of [1, 2, 3, 4, 5]) cluster.add(id, bootFrom(snapshotAt(1, state)));
    cluster.elect(1);
    cluster.isolate(2);
    cluster.isolate(3);

    cluster.raft(1).read(7);
    cluster.settle();

    expect(cluster.node(1).lastRead()).toBeUndefined();
  });
});
