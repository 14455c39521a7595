import { describe, expect, test } from "bun:test";
import { bootFrom, bytes, conf, snapshotAt, TestCluster } from "./cluster-fixture.ts";
import { appendReply } from "./messages-fixture.ts";
import { createRaft, RaftConfigError } from "./raft.ts";
import type { RaftConfig } from "./types.ts";

const leader = (options: Partial<RaftConfig>) => {
  const cluster = new TestCluster([1, 2, 3], options);
  cluster.elect(1);
  return cluster.node(1);
};

describe("proposals", () => {
  test("are refused where nobody leads, and say who does", () => {
    const cluster = new TestCluster([1, 2, 3]);
    cluster.elect(1);

    expect(cluster.raft(2).propose([bytes("a")])).toEqual({
      ok: false,
      reason: "not-leader",
      leader: cluster.node(1).id,
    });
  });

  test("enter the log together or not at all", () => {
    const node = leader({});
    const big = new Uint8Array(512 * 1024 + 1);

    expect(node.raft.propose([bytes("a"), big])).toMatchObject({ reason: "too-large" });
    expect(node.raft.propose([bytes("a"), bytes("b")])).toMatchObject({ first: 3, last: 4 });
  });

  test("are refused while too many bytes are uncommitted, and taken again once they are", () => {
    const node = leader({ maxUncommittedBytes: 1000 });
    const some = new Uint8Array(400);
    expect([1, 2, 3].map(() => node.raft.propose([some]).ok)).toEqual([true, true, false]);
    node.take();
    node.sync();

    node.raft.step(appendReply({ from: 2, to: 1, term: 1, index: 4, session: 1 }));

    expect(node.raft.status().uncommittedBytes).toBe(0);
    expect(node.raft.propose([some]).ok).toBe(true);
  });

  test("are refused while the state machine lags too far behind", () => {
    const cluster = new TestCluster([]);
    const boot = bootFrom(snapshotAt(1, conf([1])));
    const node = cluster.add(1, boot, { maxApplyLag: 2 });
    cluster.elect(1);
    for (let i = 0; i < 3; i++) {
      node.raft.propose([bytes("a")]);
      const job = node.raft.take()?.persist;
      if (job) node.raft.persisted(job.seq);
    }

    expect(node.raft.propose([bytes("b")])).toMatchObject({ reason: "apply-lag" });
  });

  test("are cut into messages by bytes", () => {
    const node = leader({ maxMsgBytes: 1000 });
    node.raft.propose(Array.from({ length: 10 }, () => new Uint8Array(300)));

    const sizes = node.take().flatMap((message) => {
      return message.kind === "append" && message.to === 2 ? [message.entries.length] : [];
    });

    expect(sizes).toEqual([3, 3, 3, 1]);
  });
});

test("a configuration that cannot work is refused before anything runs", () => {
  const boot = bootFrom(null);
  const config = { id: 1 as RaftConfig["id"], electionTicks: 10, heartbeatTicks: 1 };
  const rng = { below: () => 0 };

  expect(() => createRaft({ ...config, rng, electionTicks: 1 }, boot)).toThrow(RaftConfigError);
  expect(() => createRaft({ ...config, rng, id: 0 as RaftConfig["id"] }, boot)).toThrow(
    RaftConfigError,
  );
  expect(() => createRaft({ ...config, rng, maxMsgBytes: 0 }, boot)).toThrow(RaftConfigError);
});
