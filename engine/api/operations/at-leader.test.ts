import { describe, expect, test } from "bun:test";
import { ClusterService } from "../../../proto/gen/nl/v1/cluster.ts";
import { nlError } from "../../lib/error-code.ts";
import type { PeerId } from "../../lib/ids.ts";
import { err, ok } from "../../lib/result.ts";
import { Leadership } from "../leadership.ts";
import { FakeNode } from "../testing/fake-node.ts";
import { callAtLeader } from "./at-leader.ts";
import type { Method } from "./method.ts";

const answered = Buffer.from("answered");

const method: Method = {
  path: ClusterService.getDigest.path,
  limitBytes: 100,
  place: "leader",
  run: () => Promise.resolve(ok(answered)),
};

const request = Buffer.from("asked");

/** One of three nodes that does not lead, with its context. */
function follower(): FakeNode {
  const node = new FakeNode({ size: 3 });
  const leading = node.cluster.leader().nodeId;
  const other = node.cluster.nodes.find(({ nodeId }) => nodeId !== leading);
  if (other === undefined) throw new Error("a follower");
  const leadership = new Leadership(other.replica, node.cluster.world.timers);
  node.cluster.world.advance(200);
  leadership.start();
  Object.assign(node.context, { replica: other.replica, nodeId: other.nodeId, leadership });
  return node;
}

describe("a call for the leader", () => {
  test("is answered here when this node leads", async () => {
    const node = new FakeNode();

    const call = { caller: node.caller, request };
    const answer = await node.settle(callAtLeader(node.context, method, call));

    expect(answer).toEqual(ok(answered));
    expect(node.hops).toEqual([]);
  });

  test("takes one hop with the caller's name and role otherwise", async () => {
    const node = follower();
    node.answerHop = () => ok(answered);

    const call = { caller: node.caller, request };
    const answer = await node.settle(callAtLeader(node.context, method, call));

    expect(answer).toEqual(ok(answered));
    expect(node.hops).toMatchObject([
      { principal: "user/alice:admin", method: method.path, request },
    ]);
  });

  test("that was forwarded goes no further", async () => {
    const node = follower();

    const call = { caller: { ...node.caller, forwarded: true }, request };
    const answer = await node.settle(callAtLeader(node.context, method, call));

    expect(answer).toMatchObject({ ok: false, error: { code: "no_leader" } });
    expect(node.hops).toEqual([]);
  });

  test("is tried again when it had no effect, and refused after two seconds", async () => {
    const node = follower();
    const { clock } = node.cluster.world;
    const startedAt = clock.monotonicMillis();

    const call = { caller: node.caller, request };
    const answer = await node.settle(callAtLeader(node.context, method, call));

    expect(answer).toMatchObject({ ok: false, error: { code: "no_leader" } });
    expect(node.hops.length).toBeGreaterThan(5);
    const waited = clock.monotonicMillis() - startedAt;
    expect(waited).toBeGreaterThanOrEqual(2_000);
    expect(waited).toBeLessThan(2_500);
  });

  test("is not repeated when it may have had an effect", async () => {
    const node = follower();
    node.answerHop = () => err(nlError("indefinite", "the connection broke"));

    const call = { caller: node.caller, request };
    const answer = await node.settle(callAtLeader(node.context, method, call));

    expect(answer).toMatchObject({ ok: false, error: { code: "indefinite" } });
    expect(node.hops).toHaveLength(1);
  });

  test("is not waited for long when its leader was deposed: it may still happen", async () => {
    const node = follower();
    Object.assign(node.context, { leaderLink: { call: () => {} } });
    const { world } = node.cluster;
    const startedAt = world.clock.monotonicMillis();

    const answering = callAtLeader(node.context, method, { caller: node.caller, request });
    const { replica } = node.cluster.leader();
    const other = node.cluster.nodes.find((one) => one.replica !== replica);
    replica.transferLeader(other?.peerId as PeerId, () => {});
    const answer = await node.settle(answering);

    expect(answer).toMatchObject({ ok: false, error: { code: "indefinite" } });
    expect(world.clock.monotonicMillis() - startedAt).toBeLessThan(2_000);
  });
});
