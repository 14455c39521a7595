import { describe, expect, test } from "bun:test";
import { DrainNodeRequest, NodesService } from "../../../proto/gen/nl/v1/nodes.ts";
import { FakeNode } from "../testing/fake-node.ts";
import { callAtLeader } from "./at-leader.ts";
import { METHODS } from "./methods.ts";
import { statusMessage } from "./status.ts";
import { transferLeader } from "./transfer-leader.ts";

/** The leader of three, and one of those that follow it. */
function leaderAndFollower() {
  const node = new FakeNode({ size: 3 });
  node.cluster.world.advance(500);
  const leader = node.cluster.leader();
  const follower = node.cluster.nodes.find((one) => one !== leader);
  if (follower === undefined) throw new Error("a follower");
  return { node, leader, follower };
}

/** A write, made like everybody makes it. */
function drain(node: FakeNode) {
  const method = METHODS.get(NodesService.drainNode.path);
  if (method === undefined) throw new Error("a method");
  const drained = { nodeId: "n1", deadlineMillis: 1_000, message: "" };
  const request = Buffer.from(DrainNodeRequest.encode(drained).finish());
  return callAtLeader(node.context, method, { caller: node.caller, request });
}

describe("a transfer of leadership", () => {
  test("is answered with who leads now, and in which term", async () => {
    const { node, leader, follower } = leaderAndFollower();
    const { term } = leader.replica.status().raft;

    const moved = await node.settle(
      transferLeader(node.context, node.caller, { to: follower.nodeId }),
    );

    expect(moved).toMatchObject({ ok: true, value: { leaderId: follower.nodeId } });
    expect(moved.ok && moved.value.term).toBeGreaterThan(term);
    expect(node.cluster.leader().nodeId).toBe(follower.nodeId);
  });

  test("that fails is said to have failed within one election timeout, and why", async () => {
    const { node, leader, follower } = leaderAndFollower();
    const { clock } = node.cluster.world;
    node.cluster.network.cut(follower.peerId);
    const from = clock.monotonicMillis();

    const moved = await node.settle(
      transferLeader(node.context, node.caller, { to: follower.nodeId }),
    );

    expect(moved).toMatchObject({ ok: false, error: { code: "transfer_failed" } });
    expect(moved.ok ? "" : moved.error.message).toContain(`node ${follower.nodeId} did not`);
    expect(clock.monotonicMillis() - from).toBeLessThan(1_200);
    expect(leader.replica.status().role).toBe("leader");
  });

  test("under way is seen in the status, and a write meanwhile waits instead of failing", async () => {
    const { node, leader, follower } = leaderAndFollower();
    node.cluster.network.cut(follower.peerId);
    const moving = transferLeader(node.context, node.caller, { to: follower.nodeId });
    node.cluster.world.advance(50);
    const { lastIndex } = leader.replica.status().raft;

    const writing = drain(node);
    node.cluster.world.advance(300);
    const during = { status: statusMessage(node.context), raft: leader.replica.status().raft };
    const [moved, written] = await node.settle(Promise.all([moving, writing]));

    expect(during.status.transferee).toBe(follower.nodeId);
    expect(during.raft.lastIndex).toBe(lastIndex);
    expect(moved.ok).toBe(false);
    expect(written.ok).toBe(true);
    expect(statusMessage(node.context).transferee).toBe("");
  });
});
