import { describe, expect, test } from "bun:test";
import type { NodeId } from "../lib/ids.ts";
import { createRaft } from "../raft/raft.ts";
import { FakeCluster, type FakeNode } from "./testing/fake-cluster.ts";

/** A process that is stopped, or whose loop is blocked: P46, ticks are not made up for. */

type Ticking = { readonly cluster: FakeCluster; ticksOf(node: FakeNode): number };

/** Three nodes with a leader for some time, and the ticks that each core was given. */
function threeNodes(): Ticking {
  const ticks = new Map<NodeId, number>();
  const cluster = new FakeCluster(3, (nodeId) => ({
    createRaft: (config, boot) => {
      const raft = createRaft(config, boot);
      const { tick } = raft;
      raft.tick = () => {
        ticks.set(nodeId, (ticks.get(nodeId) ?? 0) + 1);
        tick.call(raft);
      };
      return raft;
    },
  }));
  cluster.start();
  cluster.leader();
  cluster.world.advance(1_000);
  return { cluster, ticksOf: ({ nodeId }) => ticks.get(nodeId) ?? 0 };
}

const followerOf = (cluster: FakeCluster, leader: FakeNode): FakeNode =>
  cluster.nodes.find((node) => node !== leader) ?? leader;

const termOf = ({ replica }: FakeNode): number => replica.status().raft.term;

describe("a stopped process that goes on", () => {
  test.each([1_500, 5_000, 60_000])("a follower after %d ms ticks once (P46)", (millis) => {
    const { cluster, ticksOf } = threeNodes();
    const leader = cluster.leader();
    const follower = followerOf(cluster, leader);
    const term = termOf(leader);

    follower.timers.freeze();
    cluster.world.advance(millis);
    const before = ticksOf(follower);
    follower.timers.thaw();
    cluster.world.advance(20);
    const burst = ticksOf(follower) - before;
    cluster.world.advance(5_000);

    expect(burst).toBeLessThanOrEqual(1);
    expect(termOf(leader)).toBe(term);
    expect(leader.replica.status().role).toBe("leader");
    expect(follower.replica.status().leader).toBe(leader.peerId);
  });

  test("a leader after a pause below the election timeout leads on (P46)", () => {
    const { cluster, ticksOf } = threeNodes();
    const leader = cluster.leader();
    const term = termOf(leader);

    leader.timers.freeze();
    cluster.world.advance(800);
    const before = ticksOf(leader);
    leader.timers.thaw();
    cluster.world.advance(20);
    const burst = ticksOf(leader) - before;
    cluster.world.advance(5_000);

    expect(burst).toBeLessThanOrEqual(1);
    expect(leader.replica.status().role).toBe("leader");
    expect(termOf(leader)).toBe(term);
  });

  test("a leader that was replaced follows, and raises no term", () => {
    const { cluster } = threeNodes();
    const old = cluster.leader();

    old.timers.freeze();
    cluster.world.advance(5_000);
    const others = cluster.nodes.filter((node) => node !== old);
    const next = others.find(({ replica }) => replica.status().role === "leader");
    const term = next === undefined ? 0 : termOf(next);
    old.timers.thaw();
    cluster.world.advance(5_000);

    expect(next?.replica.status().role).toBe("leader");
    expect(old.replica.status()).toMatchObject({ role: "follower", leader: next?.peerId ?? 0 });
    expect(termOf(old)).toBe(term);
  });

  test("the whole machine for a minute: nobody campaigns", () => {
    const { cluster } = threeNodes();
    const leader = cluster.leader();
    const term = termOf(leader);

    cluster.world.stall(60_000);
    cluster.world.advance(5_000);

    expect(leader.replica.status().role).toBe("leader");
    expect(cluster.nodes.map(termOf)).toEqual([term, term, term]);
  });
});
