import { describe, expect, test } from "bun:test";
import type { Index, NodeId, PeerId } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { ConfOp } from "../raft/types.ts";
import type { MembershipFailure, Replica } from "./replica.ts";
import { FakeCluster, type FakeNode } from "./testing/fake-cluster.ts";

type Answer = Result<Index, MembershipFailure>;

const op = (kind: ConfOp["op"], id: number): ConfOp => ({ op: kind, id: id as PeerId });

/** The answers so far. */
function change(replica: Replica, ...changes: readonly ConfOp[]): Answer[] {
  const answers: Answer[] = [];
  replica.changeMembership(changes, (answer) => answers.push(answer));
  return answers;
}

const kindsOf = (answers: readonly Answer[]): readonly string[] =>
  answers.map((answer) => (answer.ok ? "ok" : answer.error.kind));

function started(size: number, voters = size): { cluster: FakeCluster; leader: FakeNode } {
  const cluster = new FakeCluster(size, () => ({}), voters);
  cluster.start();
  return { cluster, leader: cluster.leader() };
}

const votersOf = (node: FakeNode): readonly number[] => node.replica.status().raft.conf.voters;

describe("a change of the members", () => {
  test("is done once a later entry is applied under the new configuration (contract 18)", () => {
    const { cluster, leader } = started(4, 3);
    const facts: string[] = [];
    leader.replica.listen({ onFacts: (found) => facts.push(...found.map(({ kind }) => kind)) });

    const learned = change(leader.replica, op("learner", 4));
    cluster.world.advance(50);
    const before = leader.replica.status().raft.lastIndex;
    const promoted = change(leader.replica, op("voter", 4));
    cluster.world.advance(50);

    expect(kindsOf([...learned, ...promoted])).toEqual(["ok", "ok"]);
    expect(promoted).toEqual([{ ok: true, value: (before + 2) as Index }]);
    expect(votersOf(leader)).toEqual([1, 2, 3, 4]);
    expect(facts).toEqual(["members-changed", "members-changed"]);
  });

  test("is not done while only the change itself is committed, and never inside the call", () => {
    const { cluster, leader } = started(3);
    const other = cluster.nodes.find((node) => node !== leader)?.peerId ?? 0;
    let indexAtDone = 0;
    const answers: Answer[] = [];

    leader.replica.changeMembership([op("remove", other)], (answer) => {
      indexAtDone = leader.replica.view.appliedIndex;
      answers.push(answer);
    });
    expect(answers).toEqual([]);
    const changeIndex = leader.replica.status().raft.lastIndex + 1;
    cluster.world.advance(50);

    expect(kindsOf(answers)).toEqual(["ok"]);
    expect(indexAtDone).toBeGreaterThan(changeIndex);
  });

  test("of several operations passes through a joint configuration to its end", () => {
    const { cluster, leader } = started(5, 3);
    const confs: number[] = [];
    leader.replica.listen({ onConf: (conf) => confs.push(conf.votersOutgoing.length) });
    change(leader.replica, op("learner", 4), op("learner", 5));
    cluster.world.advance(100);
    confs.splice(0);

    const answers = change(leader.replica, op("voter", 4), op("voter", 5));
    cluster.world.advance(100);

    expect(kindsOf(answers)).toEqual(["ok"]);
    expect(confs).toEqual([3, 0]);
    expect(votersOf(leader)).toEqual([1, 2, 3, 4, 5]);
  });

  test("is refused with its reason", () => {
    const { cluster, leader } = started(4, 3);
    const follower = cluster.nodes.find((node) => node !== leader && node.peerId < 4);
    const outsider = cluster.nodes[3];

    const first = change(leader.replica, op("learner", 4));
    const second = change(leader.replica, op("learner", 9));
    const elsewhere = change(follower?.replica ?? leader.replica, op("learner", 4));
    const own = change(leader.replica, op("remove", leader.peerId));
    cluster.world.advance(50);
    const empty = change(leader.replica);
    cluster.world.advance(50);

    expect(kindsOf(first)).toEqual(["ok"]);
    expect(kindsOf(second)).toEqual(["conf-pending"]);
    expect(elsewhere).toEqual([
      { ok: false, error: { kind: "not-leader", leader: leader.peerId } },
    ]);
    expect(kindsOf(own)).toEqual(["own-seat"]);
    expect(kindsOf(empty)).toEqual(["conf-invalid"]);
    expect(outsider?.replica.status().raft.conf.learners).toEqual([4] as PeerId[]);
  });

  test("of a learner that is far behind is refused (P18)", () => {
    const { cluster, leader } = started(4, 3);
    cluster.network.cut(4 as PeerId);
    change(leader.replica, op("learner", 4));
    cluster.world.advance(50);
    for (let round = 0; round < 11; round++) {
      for (let i = 0; i < 100; i++) {
        const body = { kind: "undrain-node", nodeId: "n1" as NodeId } as const;
        leader.replica.propose({ principal: "user/test", body }, () => {});
      }
      cluster.world.advance(20);
    }

    const early = change(leader.replica, op("voter", 4));
    cluster.world.advance(20);
    cluster.network.heal();
    cluster.world.advance(1_000);
    const late = change(leader.replica, op("voter", 4));
    cluster.world.advance(50);

    expect(kindsOf(early)).toEqual(["learner-behind"]);
    expect(kindsOf(late)).toEqual(["ok"]);
  });

  test("that nobody confirms is indefinite after the commit wait, and later it is as it is", () => {
    const { cluster, leader } = started(4, 3);
    cluster.network.cut(leader.peerId);

    const answers = change(leader.replica, op("learner", 4));
    cluster.world.advance(4_000);
    expect(answers).toEqual([]);
    cluster.world.advance(1_500);

    expect(kindsOf(answers)).toEqual(["indefinite"]);
  });

  test("that a later leader has overwritten is answered as dropped", () => {
    const { cluster, leader } = started(4, 3);
    cluster.network.cut(leader.peerId);

    const answers = change(leader.replica, op("learner", 4));
    const others = cluster.nodes.filter((node) => node !== leader && node.peerId < 4);
    cluster.world.advanceUntil(() =>
      others.some(({ replica }) => replica.status().role === "leader"),
    );
    cluster.network.heal();
    cluster.world.advance(1_000);

    expect(kindsOf(answers)).toEqual(["dropped"]);
    expect(leader.replica.status().raft.conf.learners).toEqual([]);
  });

  test("who is told that it was removed stops, with a sentence, and campaigns no more (P16)", () => {
    const { cluster, leader } = started(3);
    const gone = cluster.nodes.find((node) => node !== leader) ?? leader;
    const reasons: string[] = [];
    gone.replica.listen({ onStopped: (reason) => reasons.push(reason) });

    cluster.network.expel(gone.peerId, leader.peerId);
    cluster.world.advance(5_000);

    expect(reasons).toHaveLength(1);
    expect(reasons[0]).toContain(`${leader.nodeId} refuses this node`);
    expect(gone.replica.status().role).toBe("halted");
    expect(cluster.leader()).toBe(leader);
  });
});
