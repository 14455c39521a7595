import { describe, expect, test } from "bun:test";
import type { NodeId, PeerId, UnixMillis } from "../../lib/ids.ts";
import type { CommandBody, JoiningNode } from "../command.ts";
import { node, nodeInfo, START, TestCluster } from "../state-fixture.ts";

const HOUR = 3_600_000;
type CreateToken = Extract<CommandBody, { kind: "create-join-token" }>;

const newToken = (change: Partial<CreateToken> = {}): CreateToken => ({
  kind: "create-join-token",
  tokenId: "t1",
  secretHash: "right",
  role: "server",
  lifetimeMillis: HOUR,
  uses: 1,
  ...change,
});

const redeem = (change: Partial<JoiningNode> = {}, secretHash = "right"): CommandBody => ({
  kind: "redeem-join-token",
  tokenId: "t1",
  secretHash,
  node: {
    name: "",
    storeId: "store-new",
    rpcAddress: "10.0.0.9:7171",
    httpAddress: "10.0.0.9:7181",
    seat: "voter",
    featureLevel: 1,
    version: "0.1.0",
    ...change,
  },
});

const leave = (number: number): CommandBody => ({
  kind: "leave-node",
  nodeId: node(number),
  deadlineMillis: 60_000,
});
const forget = (number: number): CommandBody => ({ kind: "forget-node", nodeId: node(number) });

const refused = (why: string) => ({ kind: "refused", refusal: { kind: "bad-token", why } });

describe("join tokens", () => {
  test("a redeemed token gives a node a name and a peer id of its own", () => {
    const cluster = new TestCluster({ nodes: 3 });
    cluster.run(newToken());

    const { outcomes, facts } = cluster.change(redeem());

    expect(outcomes).toMatchObject([{ kind: "ok", existed: false }]);
    expect(cluster.node(4)).toMatchObject({ peerId: 4, seat: "voter", storeId: "store-new" });
    expect(cluster.state.nextPeerId).toBe(5 as PeerId);
    expect(facts.map(({ kind }) => kind)).toEqual(["join-token-changed", "node-changed"]);
  });

  test("asking again with the same store finds the node and costs no use", () => {
    const cluster = new TestCluster({ nodes: 3 });
    cluster.run(newToken());
    cluster.run(redeem());

    expect(cluster.run(redeem())).toMatchObject({ kind: "ok", existed: true });
    expect(cluster.state.nodes.size).toBe(4);
  });

  test("a token opens as often as it says, and no more", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.run(newToken({ uses: 2 }));

    cluster.run(redeem({ storeId: "a" }));
    cluster.run(redeem({ storeId: "b" }));

    expect(cluster.run(redeem({ storeId: "c" }))).toEqual(refused("used-up") as never);
    expect([...cluster.state.nodes.keys()]).toEqual([node(1), node(2), node(3)]);
  });

  test("it expires in replicated time", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.run(newToken());
    cluster.wait(HOUR - 1);
    cluster.run(redeem({ storeId: "x", featureLevel: 0 }));
    cluster.wait(1);

    expect(cluster.run(redeem())).toEqual(refused("expired") as never);
  });

  test("revoked, unknown, or with another secret it opens nothing", () => {
    const cluster = new TestCluster({ nodes: 1 });
    expect(cluster.run(redeem())).toEqual(refused("unknown") as never);
    cluster.run(newToken());
    expect(cluster.run(redeem({}, "wrong"))).toEqual(refused("wrong-secret") as never);
    cluster.run({ kind: "revoke-join-token", tokenId: "t1" });

    expect(cluster.run(redeem())).toEqual(refused("revoked") as never);
    expect(cluster.state.nodes.size).toBe(1);
  });

  test("a worker's token gives no peer id", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.run(newToken({ role: "worker" }));

    cluster.run(redeem());

    const worker = cluster.state.nodes.get("w1" as NodeId);
    expect(worker).toMatchObject({ peerId: 0, seat: "none", roles: ["worker"] });
    expect(cluster.state.nextPeerId).toBe(2 as PeerId);
  });

  test("a node below the cluster's feature level stays outside and uses nothing up", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.run(newToken());

    expect(cluster.run(redeem({ featureLevel: 0 }))).toMatchObject({
      refusal: { kind: "feature-level" },
    });
    expect(cluster.run(redeem())).toMatchObject({ kind: "ok" });
  });

  test("tokens are forgotten a week after they expired", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.run(newToken());
    cluster.wait(HOUR + 7 * 24 * HOUR);

    cluster.run(newToken({ tokenId: "t2" }));

    expect([...cluster.state.joinTokens.keys()]).toEqual(["t2"]);
  });
});

describe("seats", () => {
  test("a learner may be told to vote", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.run(newToken());
    cluster.run(redeem({ seat: "learner" }));
    expect(cluster.node(2).seat).toBe("learner");

    cluster.run({ kind: "set-seat", nodeId: node(2), seat: "voter" });

    expect(cluster.node(2).seat).toBe("voter");
  });

  test("registering keeps the seat, and may bring another address (a node moves)", () => {
    const cluster = new TestCluster({ nodes: 1 });
    const moved = nodeInfo(1, { rpcAddress: "10.0.0.1:7271", httpAddress: "10.0.0.1:7281" });

    cluster.run({ kind: "register-node", node: moved });

    expect(cluster.node(1)).toMatchObject({ seat: "voter", rpcAddress: "10.0.0.1:7271" });
  });

  test("what leaves drains, and nothing of it is taken back", () => {
    const cluster = new TestCluster({ nodes: 2 });

    cluster.run(leave(2));

    const deadlineAt = (START + 60_000) as UnixMillis;
    expect(cluster.node(2)).toMatchObject({ seat: "leaving", drain: { deadlineAt } });
    for (const body of [
      { kind: "undrain-node", nodeId: node(2) },
      { kind: "set-seat", nodeId: node(2), seat: "voter" },
    ] as const) {
      expect(cluster.run(body)).toMatchObject({ refusal: { kind: "leaving" } });
    }
  });
});

describe("forget-node", () => {
  test("takes the record; name and peer id never come back (S15)", () => {
    const cluster = new TestCluster({ nodes: 3 });
    cluster.run(leave(3));

    const { facts } = cluster.change(forget(3));

    expect(facts).toMatchObject([{ kind: "node-removed", nodeId: node(3) }]);
    expect(cluster.state.nodes.has(node(3))).toBe(false);
    const again = { kind: "register-node", node: nodeInfo(3) } as const;
    expect(cluster.run(again)).toMatchObject({ refusal: { kind: "removed-node" } });
    const asWorker = { kind: "register-node", node: nodeInfo(3, { peerId: 0 as PeerId }) } as const;
    expect(cluster.run(asWorker)).toMatchObject({ refusal: { kind: "removed-node" } });
    cluster.run(newToken({ uses: 2 }));
    expect(cluster.run(redeem({ name: node(3) }))).toMatchObject({
      refusal: { kind: "removed-node" },
    });
    cluster.run(redeem());
    expect(cluster.node(4).peerId).toBe(4 as PeerId);
  });

  test("is refused while work may run there (S5)", () => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.start(1, {}, 2);
    expect(cluster.run(forget(2))).toMatchObject({ refusal: { kind: "not-leaving" } });
    cluster.run(leave(2));

    expect(cluster.run(forget(2))).toMatchObject({ refusal: { kind: "still-working" } });
    cluster.finish(1, 0);
    expect(cluster.run(forget(2))).toMatchObject({ kind: "ok" });
  });

  test("ends what waited for the lost node, and never runs it a second time (S5)", () => {
    const cluster = new TestCluster({ nodes: 2 });
    cluster.start(1, { onLost: "wait" }, 2);
    cluster.start(2, { onLost: "rerun" }, 2);
    cluster.run(leave(2));
    cluster.mark(2, "lost");
    expect(cluster.job(1).state).toBe("running");

    cluster.run(forget(2));

    expect(cluster.job(1)).toMatchObject({ state: "failed", reason: "node-lost" });
    expect(cluster.newest(1)).toMatchObject({ state: "lost" });
    expect(cluster.job(2).state).toBe("pending");
  });

  test("the same history gives the same hash, another one another", () => {
    const histories = [["a"], ["a"], ["b"]].map(([storeId = ""]) => {
      const cluster = new TestCluster({ nodes: 2 });
      cluster.run(newToken());
      cluster.run(redeem({ storeId }));
      cluster.run(leave(2));
      cluster.run(forget(2));
      return cluster.state.stateHash();
    });

    expect(histories[0]).toBe(histories[1] ?? "");
    expect(histories[0]).not.toBe(histories[2]);
  });
});
