import { describe, expect, test } from "bun:test";
import type { Index, NodeId, PeerId } from "../lib/ids.ts";
import type { ConfState } from "../replica/replica.ts";
import type { NodeRecord, Seat } from "../state/cluster-state.ts";
import { type MembersNow, type MembersStep, planMembers } from "./plan-members.ts";

const LAST = 5_000 as Index;

const node = (id: number, seat: Seat, change: Partial<NodeRecord> = {}): NodeRecord => ({
  id: `n${id}` as NodeId,
  peerId: id as PeerId,
  seat,
  storeId: `store-${id}`,
  roles: ["server"],
  rpcAddress: "",
  httpAddress: "",
  liveness: "alive",
  drain: null,
  cpuMillis: 0,
  memoryBytes: 0,
  slots: 0,
  drivers: [],
  labels: {},
  featureLevel: 1,
  version: "",
  registered: true,
  ...change,
});

const conf = (voters: readonly number[], learners: readonly number[] = []): ConfState => ({
  voters: voters as PeerId[],
  votersOutgoing: [],
  learners: learners as PeerId[],
  learnersNext: [],
  autoLeave: false,
});

type Peer = { readonly id: number; readonly match?: number; readonly active?: boolean };

/** Node 1 leads; peers not named are caught up and answer. */
function plan(
  members: ConfState,
  nodes: readonly NodeRecord[],
  more: {
    readonly peers?: readonly Peer[];
    readonly working?: readonly number[];
    readonly lastIndex?: number;
  } = {},
): MembersStep {
  const progress = [...members.voters, ...members.learners].map((id) => {
    const peer = more.peers?.find((other) => other.id === id);
    return { id, match: (peer?.match ?? LAST) as Index, active: peer?.active ?? true };
  });
  const now: MembersNow = {
    self: 1 as PeerId,
    conf: members,
    lastIndex: (more.lastIndex ?? LAST) as Index,
    progress,
    nodes,
    liveAttemptCount: (id) => (more.working?.includes(Number(id.slice(1))) ? 1 : 0),
  };
  return planMembers(now);
}

const three = [node(1, "voter"), node(2, "voter"), node(3, "voter")];
const change = (...ops: readonly (readonly [string, number])[]) => ({
  kind: "change",
  changes: ops.map(([op, id]) => ({ op, id })),
});

describe("the members' next step", () => {
  test("is none when everybody has the seat it shall have", () => {
    const worker = node(0, "none", { id: "w1" as NodeId });

    expect(plan(conf([1, 2, 3], [4]), [...three, node(4, "learner"), worker])).toEqual({
      kind: "none",
    });
  });

  test("makes newcomers learners first, also those that shall vote", () => {
    expect(plan(conf([1, 2, 3]), [...three, node(4, "voter"), node(5, "learner")])).toEqual(
      change(["learner", 4], ["learner", 5]) as MembersStep,
    );
  });

  test("lets a learner vote once it answers and its lag is small (P18)", () => {
    const members = conf([1, 2, 3], [4]);
    const nodes = [...three, node(4, "voter")];

    expect(plan(members, nodes, { peers: [{ id: 4, match: 3_999 }] }).kind).toBe("wait");
    expect(plan(members, nodes, { peers: [{ id: 4, active: false }] }).kind).toBe("wait");
    expect(plan(members, nodes, { peers: [{ id: 4, match: 4_000 }] })).toEqual(
      change(["voter", 4]) as MembersStep,
    );
  });

  test("never lets vote who has acknowledged nothing, however short the log is (P18)", () => {
    const nodes = [...three, node(4, "voter")];
    const peers = [{ id: 4, match: 0 }];

    expect(plan(conf([1, 2, 3], [4]), nodes, { peers, lastIndex: 20 }).kind).toBe("wait");
    expect(
      plan(conf([1, 2, 3], [4]), nodes, { peers: [{ id: 4, match: 1 }], lastIndex: 20 }),
    ).toEqual(change(["voter", 4]) as MembersStep);
  });

  test("waits for a joint configuration to end (P15)", () => {
    const joint = { ...conf([1, 2, 4]), votersOutgoing: [1, 2, 3] as PeerId[] };

    expect(plan(joint, [...three, node(4, "voter")]).kind).toBe("wait");
  });

  test("keeps who leaves until nothing runs there, or it is lost (S5)", () => {
    const leaving = [node(1, "voter"), node(2, "voter"), node(3, "leaving")];
    const lost = [node(1, "voter"), node(2, "voter"), node(3, "leaving", { liveness: "lost" })];
    const members = conf([1, 2, 3]);

    expect(plan(members, leaving, { working: [3] }).kind).toBe("wait");
    expect(plan(members, leaving)).toEqual(change(["remove", 3]) as MembersStep);
    expect(plan(members, lost, { working: [3], peers: [{ id: 3, active: false }] })).toEqual(
      change(["remove", 3]) as MembersStep,
    );
    expect(plan(conf([1, 2]), leaving)).toEqual({ kind: "forget", nodeId: "n3" as NodeId });
  });

  test("replaces a member by one change", () => {
    const nodes = [node(1, "voter"), node(2, "voter"), node(3, "leaving"), node(4, "voter")];

    expect(plan(conf([1, 2, 3], [4]), nodes)).toEqual(
      change(["voter", 4], ["remove", 3]) as MembersStep,
    );
  });

  test("removes nobody when the rest would have no majority that answers", () => {
    const nodes = [node(1, "voter"), node(2, "leaving"), node(3, "voter")];
    const peers = [{ id: 3, active: false }];

    expect(plan(conf([1, 2, 3]), nodes, { peers }).kind).toBe("wait");
    expect(plan(conf([1, 2, 3]), [...nodes, node(4, "learner")], { peers })).toEqual(
      change(["learner", 4]) as MembersStep,
    );
  });

  test("never removes the leader that decides: it hands over first (P14)", () => {
    const nodes = [node(1, "leaving"), node(2, "voter"), node(3, "voter")];

    expect(plan(conf([1, 2, 3]), nodes).kind).toBe("wait");
  });
});
