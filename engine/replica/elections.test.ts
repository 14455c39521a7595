import { describe, expect, test } from "bun:test";
import type { NodeId, PeerId } from "../lib/ids.ts";
import { FakeCluster } from "./testing/fake-cluster.ts";

/** Five deaths of leaders in one cluster: how long each time nobody leads. */
function deathsOf(seed: number): readonly number[] {
  const cluster = new FakeCluster(3);
  const { world } = cluster;
  for (let drawn = 0; drawn < seed; drawn++) world.random.below(2);
  cluster.start();
  return Array.from({ length: 5 }, () => {
    const dead = cluster.leader();
    world.advance(1_000);
    const diedAt = world.clock.monotonicMillis();
    dead.replica.stop({ handOver: false }, () => {});
    cluster.leader();
    const millis = world.clock.monotonicMillis() - diedAt;
    cluster.restart(dead);
    world.advance(1_000);
    return millis;
  });
}

describe("the death of a leader", () => {
  test("300 times in a row costs no election timeout: two that hurry do not depose each other", () => {
    const times = Array.from({ length: 60 }, (_, seed) => deathsOf(seed)).flat();

    expect(times).toHaveLength(300);
    expect(Math.max(...times)).toBeLessThan(300);
  });
});

describe("a node that does not campaign", () => {
  test("nodes that never campaign follow, and lead only when told to", () => {
    const cluster = new FakeCluster(3, (nodeId) => ({ campaigns: nodeId === "n2" }));
    cluster.start();
    const willing = cluster.leader();
    cluster.world.advance(500);
    const other = cluster.nodes[0];
    const outcomes: string[] = [];

    willing.replica.transferLeader(1 as PeerId, (done) =>
      outcomes.push(done.ok ? "done" : done.error),
    );
    cluster.world.advance(500);
    const told = other?.replica.status().role;
    other?.replica.stop({ handOver: false }, () => {});
    cluster.world.advance(3_000);

    expect(willing.nodeId).toBe("n2" as NodeId);
    expect(outcomes).toEqual(["done"]);
    expect(told).toBe("leader");
    expect(cluster.leader().nodeId).toBe("n2" as NodeId);
  });

  test("without one that campaigns there is no leader, whoever is gone", () => {
    const cluster = new FakeCluster(3, (nodeId) => ({ campaigns: nodeId === "n2" }));
    cluster.start();
    const willing = cluster.leader();
    cluster.world.advance(500);

    willing.replica.stop({ handOver: false }, () => {});
    cluster.world.advance(10_000);

    const others = cluster.nodes.filter((node) => node !== willing);
    expect(others.map(({ replica }) => replica.status().role)).toEqual(["follower", "follower"]);
  });
});
