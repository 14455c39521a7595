import { describe, expect, test } from "bun:test";
import type { NodeId } from "../lib/ids.ts";
import { FakeCluster, type FakeNode } from "./testing/fake-cluster.ts";

describe("proposals", () => {
  test("that arrive while a batch is on its way to a quorum go together in the next one", () => {
    const { cluster, leader, batches, answers } = start({ writeMillis: 10 });

    propose(leader, answers);
    cluster.world.advance(2);
    propose(leader, answers);
    cluster.world.advance(2);
    propose(leader, answers);
    cluster.world.advance(40);

    expect(answers).toEqual(["ok", "ok", "ok"]);
    expect(batches).toEqual([1, 2]);
  });

  test("do not wait for a batch that takes long", () => {
    const { cluster, leader, batches, answers } = start({ writeMillis: 500 });

    propose(leader, answers);
    cluster.world.advance(25);
    propose(leader, answers);
    cluster.world.advance(5);

    expect(batches).toEqual([1, 1]);
    expect(answers).toEqual([]);
  });

  test("that wait for a batch when leadership is lost are told so at once", () => {
    const { cluster, leader, batches, answers } = start({ writeMillis: 10 });

    propose(leader, answers);
    cluster.world.advance(2);
    propose(leader, answers);
    cluster.network.cut(leader.peerId);
    cluster.world.advanceUntil(() => leader.replica.status().role !== "leader");
    propose(leader, answers);
    cluster.world.advance(1);

    expect(answers).toContain("not-leader");
    expect(batches[0]).toBe(1);
  });
});

function start({ writeMillis }: { readonly writeMillis: number }) {
  const cluster = new FakeCluster(3);
  cluster.start();
  const leader = cluster.leader();
  for (const { store } of cluster.nodes) store.writeMillis = writeMillis;
  const batches: number[] = [];
  const { store } = leader;
  const write = store.write.bind(store);
  store.write = (job, done) => {
    if (job.entries.length > 0) batches.push(job.entries.length);
    write(job, done);
  };
  const answers: string[] = [];
  return { cluster, leader, batches, answers };
}

function propose({ replica }: FakeNode, answers: string[]): void {
  const body = { kind: "undrain-node", nodeId: "n1" as NodeId } as const;
  replica.propose({ principal: "user/test:admin", body }, (answer) => {
    answers.push(answer.ok ? "ok" : answer.error.kind);
  });
}
