import { describe, expect, test } from "bun:test";
import { attemptId, type PeerId, type UnixMillis } from "../lib/ids.ts";
import type { Founding } from "./command.ts";
import { refound } from "./refound.ts";
import { job, node, START, TestCluster } from "./state-fixture.ts";
import { decodeState } from "./state-loader.ts";
import { encodeState } from "./state-walk.ts";

const LATER = (START + 60_000) as UnixMillis;

const founding: Founding = {
  clusterId: "dev-new",
  clusterName: "dev",
  at: LATER,
  members: [7, 8].map((number) => ({
    nodeId: node(number),
    peerId: (number - 6) as PeerId,
    storeId: `new-store-${number}`,
    rpcAddress: `127.0.0.1:${number}`,
    httpAddress: `127.0.0.1:${number}0`,
  })),
};

function saved(): TestCluster {
  const cluster = new TestCluster({ nodes: 1 });
  for (const number of [3, 1, 2]) cluster.submit(number, { name: `job-${number}` });
  return cluster;
}

describe("a restored cluster", () => {
  test("has its own identity and members, one entry after what was saved", () => {
    const cluster = saved();
    const { appliedIndex } = cluster.state;

    const state = refound(cluster.state, founding);

    expect(state).toMatchObject({
      clusterId: "dev-new",
      appliedIndex: appliedIndex + 1,
      appliedAt: LATER,
      nextPeerId: 3,
    });
    expect(
      [...state.nodes.values()].map(({ id, seat, registered }) => [id, seat, registered]),
    ).toEqual([7, 8].map((number) => [node(number), "voter", false]));
  });

  test("keeps every job, its spec and its place in the queue", () => {
    const cluster = saved();
    const before = [...cluster.state.jobs.values()].map(({ id, spec }) => [id, spec.hash]);
    const queue = [...cluster.state.pending()].map(({ id }) => id);

    const state = refound(cluster.state, founding);

    expect([...state.jobs.values()].map(({ id, spec }) => [id, spec.hash])).toEqual(before);
    expect([...state.pending()].map(({ id }) => id)).toEqual(queue);
  });

  test("runs again what was running, on nodes that it has", () => {
    const cluster = saved();
    cluster.assign(1);

    const state = refound(cluster.state, founding);

    expect(state.attempt(attemptId(job(1), 1))).toMatchObject({
      state: "lost",
      finishedAt: LATER,
      detail: "node n1 is not in the restored cluster",
    });
    expect(state.jobs.get(job(1))).toMatchObject({
      state: "pending",
      run: { attempt: 1, losses: 1, cause: "node-lost" },
    });
    expect(state.liveAttempts(node(1))).toEqual([]);
  });

  test("fails what may not run twice, and ends what was being cancelled", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.submit(1, { onLost: "wait" });
    cluster.submit(2, { onLost: "fail" });
    cluster.submit(3);
    for (const number of [1, 2, 3]) cluster.assign(number);
    cluster.cancel(3);

    const state = refound(cluster.state, founding);

    const ends = [1, 2, 3].map((number) => state.jobs.get(job(number))?.state);
    expect(ends).toEqual(["failed", "failed", "cancelled"]);
  });

  test("survives being written down and read", () => {
    const cluster = saved();
    cluster.assign(1);
    const state = refound(cluster.state, founding);

    const read = decodeState(encodeState(state));

    expect(read.ok && read.value.stateHash()).toBe(state.stateHash());
  });
});
