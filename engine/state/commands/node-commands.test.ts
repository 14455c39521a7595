import { describe, expect, test } from "bun:test";
import type { PeerId, UnixMillis } from "../../lib/ids.ts";
import { node, nodeInfo, START, TestCluster } from "../state-fixture.ts";

describe("register-node", () => {
  test("a founding member becomes a worker that is registered", () => {
    const cluster = new TestCluster({ nodes: 1 });

    expect(cluster.node(1)).toMatchObject({
      registered: true,
      roles: ["server", "worker"],
      slots: 4,
      liveness: "alive",
      drain: null,
    });
  });

  test("registering again updates what the node says and keeps its drain", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.run({ kind: "drain-node", nodeId: node(1), deadlineMillis: 60_000, message: "disk" });

    const outcome = cluster.run({ kind: "register-node", node: nodeInfo(1, { slots: 9 }) });

    expect(outcome).toMatchObject({ kind: "ok", existed: true });
    expect(cluster.node(1)).toMatchObject({ slots: 9, drain: { message: "disk" } });
  });

  test("S15: a wiped node is not the node it says it is", () => {
    const cluster = new TestCluster({ nodes: 1 });

    const outcome = cluster.run({ kind: "register-node", node: nodeInfo(1, { storeId: "new" }) });

    expect(outcome).toEqual({
      kind: "refused",
      refusal: { kind: "wrong-store", nodeId: node(1) },
    });
    expect(cluster.node(1).storeId).toBe("store-1");
  });

  test("a new name cannot take another member's peer id", () => {
    const cluster = new TestCluster({ nodes: 1 });
    const impostor = nodeInfo(2, { peerId: 1 as PeerId });

    expect(cluster.run({ kind: "register-node", node: impostor })).toMatchObject({
      refusal: { kind: "wrong-store" },
    });
  });

  test("a worker that is not a server joins by registering", () => {
    const cluster = new TestCluster({ nodes: 1 });
    const worker = nodeInfo(7, { peerId: 0 as PeerId, roles: ["worker"] });

    expect(cluster.run({ kind: "register-node", node: worker })).toMatchObject({ existed: false });
    expect(cluster.node(7).registered).toBe(true);
  });

  test("a node below the cluster's feature level is refused", () => {
    const cluster = new TestCluster();

    const outcome = cluster.run({ kind: "register-node", node: nodeInfo(1, { featureLevel: 0 }) });

    expect(outcome).toEqual({
      kind: "refused",
      refusal: { kind: "feature-level", featureLevel: 1 },
    });
  });
});

describe("drain-node and undrain-node", () => {
  test("S10: records the intent with its deadline and who asked", () => {
    const cluster = new TestCluster({ nodes: 1 });

    cluster.run({ kind: "drain-node", nodeId: node(1), deadlineMillis: 60_000, message: "disk" });

    expect(cluster.node(1).drain).toEqual({
      startedAt: START,
      deadlineAt: (START + 60_000) as UnixMillis,
      message: "disk",
      principal: "user/alice",
    });
  });

  test("S10: running work is left alone", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);

    cluster.run({ kind: "drain-node", nodeId: node(1), deadlineMillis: 60_000, message: "" });

    expect(cluster.job(1).state).toBe("running");
  });

  test("draining again moves the deadline and keeps the start", () => {
    const cluster = new TestCluster({ nodes: 1 });
    const drain = {
      kind: "drain-node",
      nodeId: node(1),
      deadlineMillis: 60_000,
      message: "",
    } as const;
    cluster.run(drain);
    cluster.wait(1_000);

    expect(cluster.run({ ...drain, deadlineMillis: 5_000 })).toMatchObject({ existed: true });
    expect(cluster.node(1).drain).toMatchObject({ startedAt: START, deadlineAt: START + 6_000 });
  });

  test("S10: undrain takes it back, and work may come again", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.run({ kind: "drain-node", nodeId: node(1), deadlineMillis: 60_000, message: "" });

    cluster.run({ kind: "undrain-node", nodeId: node(1) });
    cluster.submit(1);
    cluster.assign(1);

    expect(cluster.node(1).drain).toBeNull();
    expect(cluster.job(1).state).toBe("assigned");
  });

  test("undraining a node that does not drain is refused", () => {
    const cluster = new TestCluster({ nodes: 1 });

    expect(cluster.run({ kind: "undrain-node", nodeId: node(1) })).toEqual({
      kind: "refused",
      refusal: { kind: "not-draining", nodeId: node(1) },
    });
  });

  test.each([
    { kind: "drain-node", nodeId: node(9), deadlineMillis: 1, message: "" },
    { kind: "undrain-node", nodeId: node(9) },
  ] as const)("$kind of an unknown node is refused", (body) => {
    expect(new TestCluster().run(body)).toMatchObject({ refusal: { kind: "unknown-node" } });
  });
});

describe("raise-feature-level", () => {
  test("holds when every node has recorded the level", () => {
    const cluster = new TestCluster({ nodes: 2 });
    for (const number of [1, 2]) {
      cluster.run({ kind: "register-node", node: nodeInfo(number, { featureLevel: 2 }) });
    }

    const { facts } = cluster.change({ kind: "raise-feature-level", featureLevel: 2 });

    expect(cluster.state.featureLevel).toBe(2);
    expect(facts).toMatchObject([{ kind: "feature-level-raised", featureLevel: 2 }]);
  });

  test("is refused while one node has not", () => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.run({ kind: "register-node", node: nodeInfo(1, { featureLevel: 2 }) });

    expect(cluster.run({ kind: "raise-feature-level", featureLevel: 2 })).toEqual({
      kind: "refused",
      refusal: { kind: "feature-level", featureLevel: 1 },
    });
  });

  test("a level that is there already is no error and no change", () => {
    const cluster = new TestCluster({ nodes: 1 });

    expect(cluster.run({ kind: "raise-feature-level", featureLevel: 1 })).toMatchObject({
      existed: true,
    });
  });
});
