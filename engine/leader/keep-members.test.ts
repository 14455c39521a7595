import { describe, expect, test } from "bun:test";
import type { NodeId, PeerId } from "../lib/ids.ts";
import { FakeCluster, type FakeNode } from "../replica/testing/fake-cluster.ts";
import type { CommandBody, JoiningNode } from "../state/command.ts";
import { createLeaderDuties } from "./leader-duties.ts";
import { LEADER_DEFAULTS } from "./settings.ts";

/** Servers with a leader's duties; the first `voters` vote, and all of them shall. */
class MembersCluster extends FakeCluster {
  constructor(size: number, voters: number) {
    super(size, () => ({}), voters);
    const { clock, timers, random } = this.world;
    for (const { replica, nodeId } of this.nodes) {
      const platform = { clock, timers, random, logger: { log: () => {} } };
      const options = { nodeId, replica, ...platform, isDiskLow: () => false };
      createLeaderDuties({ ...options, settings: LEADER_DEFAULTS });
    }
    this.start();
  }

  run(body: CommandBody): void {
    this.leader().replica.propose({ principal: "user/test", body }, () => {});
    this.world.advance(5);
  }

  leave(node: FakeNode): void {
    this.run({ kind: "leave-node", nodeId: node.nodeId, deadlineMillis: 1_000 });
  }

  /** Until the group is exactly these voters, and everybody else is forgotten. */
  settles(voters: readonly number[], among: readonly FakeNode[] = this.nodes): boolean {
    return this.world.advanceUntil(() => {
      const node = among.find(({ replica }) => replica.status().role === "leader");
      if (node === undefined) return false;
      const { conf } = node.replica.status().raft;
      const servers = [...node.replica.view.nodes.values()].map(({ peerId }) => peerId);
      const isDone = String(conf.voters) === String(voters) && conf.votersOutgoing.length === 0;
      return isDone && String(servers.sort()) === String(voters);
    });
  }
}

describe("the leader keeps the members", () => {
  test("newcomers learn, vote, and leave again: three, five, three", () => {
    const cluster = new MembersCluster(5, 3);
    expect(cluster.settles([1, 2, 3, 4, 5])).toBe(true);

    for (const node of cluster.nodes.slice(3)) cluster.leave(node);

    expect(cluster.settles([1, 2, 3])).toBe(true);
    expect([...cluster.leader().replica.view.formerNodes.keys()]).toEqual(["n4", "n5"] as NodeId[]);
  });

  test("a node that joined with an empty log gets a snapshot, learns, votes, and is like the rest", () => {
    const cluster = new MembersCluster(3, 3);
    cluster.run({
      kind: "create-join-token",
      tokenId: "t1",
      secretHash: "hash",
      role: "server",
      lifetimeMillis: 60_000,
      uses: 1,
    });
    const node: JoiningNode = {
      name: "",
      storeId: "store-4",
      rpcAddress: "127.0.0.1:7174",
      httpAddress: "127.0.0.1:7184",
      seat: "voter",
      featureLevel: 1,
      version: "test",
    };
    cluster.run({ kind: "redeem-join-token", tokenId: "t1", secretHash: "hash", node });

    const joined = cluster.join("n4" as NodeId, 4 as PeerId);

    expect(cluster.settles([1, 2, 3, 4])).toBe(true);
    cluster.world.advance(500);
    expect(joined.replica.view.stateHash()).toBe(cluster.leader().replica.view.stateHash());
    expect(joined.replica.status()).toMatchObject({ ready: true, role: "follower" });
    const again = cluster.restart(joined);
    cluster.world.advance(500);
    expect(votersOf(again.replica)).toEqual([1, 2, 3, 4] as PeerId[]);
  });

  test("a leader that leaves hands over first, and is removed by the next (P14)", () => {
    const cluster = new MembersCluster(3, 3);
    const leader = cluster.leader();
    const rest = [1, 2, 3].filter((id) => id !== leader.peerId);

    cluster.leave(leader);

    expect(cluster.settles(rest)).toBe(true);
    expect(leader.replica.status().role).not.toBe("leader");
  });

  test("what a dead leader left half done is finished by the next", () => {
    const cluster = new MembersCluster(5, 3);
    const leader = cluster.leader();
    cluster.world.advanceUntil(() => leader.replica.status().raft.conf.learners.length > 0);

    leader.replica.stop({ handOver: false }, () => {});
    const living = cluster.nodes.filter((node) => node !== leader);

    expect(cluster.settles([1, 2, 3, 4, 5], living)).toBe(true);
  });

  test("a dead member that leaves is forgotten; one more could not be", () => {
    const cluster = new MembersCluster(3, 3);
    const [dead, other] = cluster.nodes.filter((node) => node !== cluster.leader());
    if (dead === undefined || other === undefined) throw new Error("three nodes");
    dead.replica.stop({ handOver: false }, () => {});
    cluster.world.advance(3_000);
    const rest = [1, 2, 3].filter((id) => id !== dead.peerId);

    cluster.leave(dead);
    expect(cluster.settles(rest)).toBe(true);
    cluster.network.cut(other.peerId as PeerId);
    cluster.leave(other);

    cluster.world.advance(1_000);
    expect(cluster.nodes.flatMap(({ replica }) => votersOf(replica))).toContain(other.peerId);
  });
});

const votersOf = (replica: FakeNode["replica"]): readonly PeerId[] =>
  replica.status().raft.conf.voters;
