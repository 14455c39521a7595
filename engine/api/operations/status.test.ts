import { describe, expect, test } from "bun:test";
import type { NodeId } from "../../lib/ids.ts";
import { Leadership } from "../leadership.ts";
import { FakeNode } from "../testing/fake-node.ts";
import { statusMessage } from "./status.ts";

/** A leader of three that has committed something, after some heartbeats. */
function leader(): FakeNode {
  const node = new FakeNode({ size: 3 });
  const { replica } = node.context;
  const body = { kind: "undrain-node", nodeId: "n1" as NodeId } as const;
  for (let i = 0; i < 10; i++) {
    replica.propose({ principal: "user/test:admin", body }, () => {});
    node.cluster.world.advance(200);
  }
  return node;
}

describe("the status of a leader", () => {
  test("says how far every member is, and how long its heartbeats take", () => {
    const { context } = leader();

    const { peers, nodeId, lastIndex } = statusMessage(context);

    const others = peers.filter((peer) => peer.nodeId !== nodeId);
    expect(others).toHaveLength(2);
    for (const peer of others) {
      expect(peer).toMatchObject({
        role: "follower",
        progress: "replicate",
        matchIndex: lastIndex,
        nextIndex: lastIndex + 1,
        inflight: 0,
        inflightBytes: 0,
        applyLag: 0,
        active: true,
        known: true,
      });
      expect(peer.session).toBeGreaterThan(0);
      // Two hops of a millisecond each.
      expect(peer.heartbeat?.count).toBeGreaterThan(5);
      expect(peer.heartbeat).toMatchObject({ p50Micros: 2_000, maxMicros: 2_000 });
    }
  });

  test("says what its own log is like, and how long it takes", () => {
    const { context } = leader();

    const status = statusMessage(context);

    expect(status).toMatchObject({
      firstIndex: 2,
      durableIndex: status.lastIndex,
      snapshotIndex: 1,
      votedFor: status.nodeId,
      diskStalled: false,
      transferee: "",
      uncommittedBytes: 0,
    });
    // The fake disk takes a millisecond, a commit as long as the slower of disk and network.
    expect(status.logWrite).toMatchObject({ p50Micros: 1_000, maxMicros: 1_000 });
    expect(status.commit?.count).toBe(10);
    expect(status.commit?.p50Micros).toBeGreaterThanOrEqual(2_000);
    expect(status.commit?.maxMicros).toBeLessThanOrEqual(5_000);
    expect(status.apply?.count).toBeGreaterThan(0);
    expect(status.loopLag).toMatchObject({ maxMicros: 0 });
  });
});

test("a follower knows from the leader how its own heartbeats do", () => {
  const node = leader();
  const { peers } = statusMessage(node.context);
  const other = node.cluster.nodes.find(({ nodeId }) => nodeId !== node.context.nodeId);
  if (other === undefined) throw new Error("a follower");
  const leadership = new Leadership(other.replica, node.cluster.world.timers);
  leadership.start();
  const digests = { peers: () => ({ peers, ageMillis: 5 }) };
  Object.assign(node.context, { ...other, leadership, digests });

  const own = statusMessage(node.context).peers.find(({ nodeId }) => nodeId === other.nodeId);

  expect(own).toMatchObject({ role: "follower", progress: "replicate", lag: 0 });
  expect(own?.heartbeat?.p50Micros).toBe(2_000);
});

test("a loop that was blocked says so in its lag", () => {
  const { context, cluster } = leader();

  cluster.world.stall(700);
  cluster.world.advance(200);

  const { loopLag } = statusMessage(context);
  expect(loopLag?.maxMicros).toBeGreaterThan(500_000);
  expect(loopLag?.p50Micros).toBe(10);
});
