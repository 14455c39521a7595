import { describe, expect, test } from "bun:test";
import { type Index, type JobId, NOBODY, type NodeId } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { ClusterView } from "../state/cluster-state.ts";
import { createState } from "../state/create-state.ts";
import { encodeSpec } from "../state/spec-codec.ts";
import { specWith } from "../state/state-fixture.ts";
import { encodeState } from "../state/state-walk.ts";
import { MemorySnapshots, snapshotMemory } from "../storage/memory-snapshots.ts";
import { digestOf } from "../storage/snapshot-bytes.ts";
import { StateLoad } from "./load-state.ts";
import type { Applied, ProposeFailure, ReplicaOptions, SnapshotPolicy } from "./replica.ts";
import type { HeldSnapshot, HoldFailure } from "./snapshot-holds.ts";
import { FakeCluster, type FakeNode } from "./testing/fake-cluster.ts";
import { FakeWorld } from "./testing/fake-world.ts";

const POLICY: SnapshotPolicy = { entries: 20, logBytes: 1e9, keepEntries: 5, recordsPerSlice: 3 };

const spec = encodeSpec(specWith());

type Answer = Result<Applied, ProposeFailure>;

/** Replicas that make snapshots often, and what happens to them. */
class Lab {
  readonly cluster: FakeCluster;
  #jobCount = 0;

  constructor(size: number, change: Partial<ReplicaOptions> = {}) {
    this.cluster = new FakeCluster(size, () => ({ snapshots: POLICY, ...change }));
    this.cluster.start();
  }

  /** One entry for each job, proposed at once; the answers so far. */
  submit(node: FakeNode, count: number): Answer[] {
    const answers: Answer[] = [];
    for (let i = 0; i < count; i++) {
      this.#jobCount += 1;
      const jobId = String(this.#jobCount).padStart(12, "0") as JobId;
      node.replica.propose(
        { principal: "user/test", body: { kind: "submit-jobs", jobs: [{ jobId, spec }] } },
        (answer) => answers.push(answer),
      );
    }
    return answers;
  }

  /** So many entries, applied by the leader before the next ones. */
  grow(count: number): FakeNode {
    const leader = this.cluster.leader();
    for (let done = 0; done < count; done += 10) {
      const answers = this.submit(leader, 10);
      this.cluster.world.advanceUntil(() => answers.length === 10);
      expect(answers.every(({ ok }) => ok)).toBe(true);
    }
    this.cluster.world.advance(100);
    return leader;
  }

  /** The member that does not lead, cut off until the others do not wait for it any more. */
  cutOff(): FakeNode {
    const leader = this.cluster.leader();
    const lost = this.cluster.nodes.find(({ peerId }) => peerId !== leader.peerId);
    if (lost === undefined) throw new Error("there is another node");
    this.cluster.network.cut(lost.peerId);
    this.cluster.world.advance(5_000);
    return lost;
  }

  untilAlike(): void {
    const { world, nodes } = this.cluster;
    const hashes = () => new Set(nodes.map(({ replica }) => replica.view.stateHash()));
    const isAlike = (): boolean =>
      hashes().size === 1 && new Set(nodes.map(({ replica }) => replica.view.jobs.size)).size === 1;
    expect(world.advanceUntil(isAlike, 20_000)).toBe(true);
  }
}

const firstIndexOf = ({ replica }: FakeNode): number => replica.status().raft.firstIndex;
const filesOf = ({ store }: FakeNode): readonly string[] => [...store.snapshots.whole.keys()];

describe("making snapshots", () => {
  test("after so many entries, the log before the tail and older files go", () => {
    const lab = new Lab(1);

    const leader = lab.grow(100);

    const { lastIndex } = leader.replica.status().raft;
    expect(firstIndexOf(leader)).toBeGreaterThan(
      lastIndex - POLICY.entries - POLICY.keepEntries - 10,
    );
    expect(filesOf(leader)).toHaveLength(1);
    expect(filesOf(leader)).not.toContain("founding");
  });

  test("after so many bytes of log as well", () => {
    const lab = new Lab(1, { snapshots: { ...POLICY, entries: 1_000, logBytes: 3_000 } });

    const leader = lab.grow(60);

    expect(firstIndexOf(leader)).toBeGreaterThan(2);
  });

  test("never before there is reason to", () => {
    const lab = new Lab(1, { snapshots: { ...POLICY, entries: 1_000 } });

    const leader = lab.grow(60);

    expect(filesOf(leader)).toEqual(["founding"]);
    expect(firstIndexOf(leader)).toBe(2);
  });

  test("goes on in the next life: it starts from the snapshot and applies the rest (P36)", () => {
    const lab = new Lab(1);
    const leader = lab.grow(70);
    const hash = leader.replica.view.stateHash();
    leader.replica.stop({ handOver: false }, () => {});
    lab.cluster.world.advance(10);

    const next = lab.cluster.restart(leader);
    lab.cluster.leader();

    expect(next.replica.view.stateHash()).toBe(hash);
    expect(firstIndexOf(next)).toBeGreaterThan(40);
    lab.grow(30);
    expect(next.replica.view.jobs.size).toBe(100);
  });

  test("is given up when the disk is full, and tried again", () => {
    const lab = new Lab(1);
    const { store } = lab.cluster.leader();
    store.isFull = true;
    const leader = lab.grow(50);
    expect(leader.replica.status().stopped).toBe("");
    expect(firstIndexOf(leader)).toBe(2);

    store.isFull = false;
    lab.grow(30);

    expect(firstIndexOf(leader)).toBeGreaterThan(20);
  });

  test("whose name the log could not take stops the node, and its file stays", () => {
    const lab = new Lab(1);
    const leader = lab.cluster.leader();
    leader.store.recordFailure = { kind: "full", detail: "no space left" };

    lab.submit(leader, 30);
    lab.cluster.world.advance(500);

    expect(leader.replica.status().stopped).toContain("no space left");
    expect(filesOf(leader).length).toBe(2);
  });

  test("any other error of the disk stops the node", () => {
    const lab = new Lab(1);
    const leader = lab.cluster.leader();
    leader.store.recordFailure = { kind: "io", detail: "broken" };

    lab.submit(leader, 30);
    lab.cluster.world.advance(500);

    expect(leader.replica.status().stopped).toContain("broken");
  });
});

describe("a snapshot that somebody holds", () => {
  const RARELY = { snapshots: { ...POLICY, entries: 100_000 } };

  function hold(lab: Lab, node: FakeNode, atLeast: number): HeldSnapshot {
    const answers: Result<HeldSnapshot, HoldFailure>[] = [];
    node.replica.holdSnapshot(atLeast as Index, (answer) => answers.push(answer));
    expect(answers).toEqual([]);
    lab.cluster.world.advanceUntil(() => answers.length > 0);
    const [answer] = answers;
    if (answer?.ok !== true) throw new Error(`not held: ${JSON.stringify(answer)}`);
    return answer.value;
  }

  test("is made at once when there is none that is new enough", () => {
    const lab = new Lab(1, RARELY);
    const leader = lab.grow(60);
    const { appliedIndex } = leader.replica.view;

    const { snapshot } = hold(lab, leader, appliedIndex);

    expect(snapshot.index).toBeGreaterThanOrEqual(appliedIndex);
    expect(filesOf(leader)).toContain(snapshot.id);
  });

  test("is the newest one when that is new enough", () => {
    const lab = new Lab(1, RARELY);
    const leader = lab.grow(60);
    const { appliedIndex } = leader.replica.view;

    const first = hold(lab, leader, appliedIndex);
    const second = hold(lab, leader, appliedIndex);

    expect(second.snapshot).toEqual(first.snapshot);
  });

  test("stays while newer ones are made, until it is released", () => {
    const lab = new Lab(1);
    const leader = lab.grow(10);
    const held = hold(lab, leader, leader.replica.view.appliedIndex);
    lab.grow(100);

    expect(filesOf(leader)).toContain(held.snapshot.id);
    held.release();
    lab.grow(100);
    expect(filesOf(leader)).not.toContain(held.snapshot.id);
  });

  test("is refused when there is no room for it, and when the node stops", () => {
    const lab = new Lab(1, RARELY);
    const leader = lab.grow(10);
    const failures: string[] = [];
    const ask = (): void =>
      leader.replica.holdSnapshot(leader.replica.view.appliedIndex, (answer) => {
        failures.push(answer.ok ? "held" : answer.error.kind);
      });
    leader.store.isFull = true;

    ask();
    lab.cluster.world.advanceUntil(() => failures.length === 1);
    ask();
    leader.replica.stop({ handOver: false }, () => {});
    ask();
    lab.cluster.world.advance(100);

    expect(failures).toEqual(["full", "stopped", "stopped"]);
    expect(leader.replica.status().stopped).toBe("");
  });
});

describe("a member that missed the log", () => {
  test("takes over a snapshot while others write, and is as they are", () => {
    const lab = new Lab(3);
    lab.grow(10);
    const lost = lab.cutOff();
    lab.grow(100);
    expect(firstIndexOf(lab.cluster.leader())).toBeGreaterThan(50);
    const before = lost.replica.view;
    const restored: ClusterView[] = [];
    lost.replica.listen({ onRestored: (view) => restored.push(view) });

    lab.cluster.network.heal();
    const answers: Answer[] = [];
    for (let i = 0; i < 40; i++) {
      answers.push(...lab.submit(lab.cluster.leader(), 1));
      lab.cluster.world.advance(20);
    }
    lab.untilAlike();

    expect(restored.length).toBeGreaterThan(0);
    expect(lost.replica.view).toBe(restored.at(-1) as ClusterView);
    expect(lost.replica.view).not.toBe(before);
    expect(lost.replica.view.jobs.size).toBe(150);
    expect(lost.replica.status()).toMatchObject({ stopped: "", ready: true });
  });

  test("serves nothing that was read before, and reads only what is applied", () => {
    const lab = new Lab(3);
    lab.grow(10);
    const lost = lab.cutOff();
    lab.grow(100);
    lab.cluster.network.heal();
    const hasLeader = () => lost.replica.status().leader !== NOBODY;
    expect(lab.cluster.world.advanceUntil(hasLeader, 20_000)).toBe(true);
    expect(lost.replica.view.jobs.size).toBe(10);
    const seen: number[] = [];

    lost.replica.readBarrier((barrier) => {
      seen.push(barrier.ok ? lost.replica.view.jobs.size : -1);
    });
    lab.cluster.world.advanceUntil(() => seen.length > 0, 20_000);

    expect(seen).toEqual([110]);
  });

  test.each([...Array(30).keys()].map((step) => 4 * step))(
    "gives up a snapshot of its own, asked for %i ms after a leader, when its log is replaced",
    (offsetMillis) => {
      const lab = new Lab(3);
      lab.grow(10);
      const lost = lab.cutOff();
      lab.grow(100);
      // Slow enough for a snapshot to be whole while the log is being replaced.
      lost.store.writeMillis = 30;
      lab.cluster.network.heal();
      const hasLeader = () => lost.replica.status().leader !== NOBODY;
      lab.cluster.world.advanceUntil(hasLeader, 20_000);
      lab.cluster.world.advance(offsetMillis);

      lost.replica.holdSnapshot(lost.replica.view.appliedIndex, () => {});
      lab.untilAlike();

      expect(lost.replica.status().stopped).toBe("");
      expect(lost.replica.view.jobs.size).toBe(110);
    },
  );

  test("that led before answers its proposals 'unknown'", () => {
    const lab = new Lab(3, { commitWaitMillis: 60_000 });
    const deposed = lab.grow(10);
    lab.cluster.network.cut(deposed.peerId);
    const answers = lab.submit(deposed, 5);
    lab.cluster.world.advance(5_000);
    const others = lab.cluster.nodes.filter(({ peerId }) => peerId !== deposed.peerId);
    const isLed = () => others.some(({ replica }) => replica.status().role === "leader");
    expect(lab.cluster.world.advanceUntil(isLed)).toBe(true);
    const leader = others.find(({ replica }) => replica.status().role === "leader");
    for (let round = 0; round < 10; round++) {
      if (leader !== undefined) lab.submit(leader, 10);
      lab.cluster.world.advance(200);
    }
    expect(answers).toEqual([]);

    lab.cluster.network.heal();
    lab.untilAlike();

    expect(answers.map(({ ok }) => ok)).toEqual([false, false, false, false, false]);
    expect(answers.map((answer) => (answer.ok ? "" : answer.error.kind))).toEqual(
      Array.from({ length: 5 }, () => "indefinite"),
    );
  });

  test("gets there although every transfer is cut at first, and files are deleted meanwhile", () => {
    const lab = new Lab(3);
    lab.grow(10);
    const lost = lab.cutOff();
    lab.grow(100);

    for (let round = 0; round < 8; round++) {
      lab.cluster.network.heal();
      lab.cluster.world.advance(30 + 17 * round);
      lab.cluster.network.cut(lost.peerId);
      lab.grow(20);
    }
    lab.cluster.network.heal();
    lab.untilAlike();

    for (const node of lab.cluster.nodes) expect(filesOf(node).length).toBeLessThanOrEqual(2);
    expect(lost.replica.view.jobs.size).toBe(270);
  });

  test("starts from that snapshot in its next life", () => {
    const lab = new Lab(3);
    lab.grow(10);
    const lost = lab.cutOff();
    lab.grow(100);
    lab.cluster.network.heal();
    lab.untilAlike();
    const hash = lost.replica.view.stateHash();
    lost.replica.stop({ handOver: false }, () => {});
    lab.cluster.world.advance(10);

    const next = lab.cluster.restart(lost);
    lab.untilAlike();

    expect(next.replica.view.stateHash()).toBe(hash);
    expect(firstIndexOf(next)).toBeGreaterThan(50);
  });

  test("and is killed while it loads comes back whole", () => {
    const lab = new Lab(3);
    lab.grow(10);
    const lost = lab.cutOff();
    lab.grow(100);
    lab.cluster.network.heal();
    const isInstalling = () => lost.replica.status().raft.firstIndex > 50;
    expect(lab.cluster.world.advanceUntil(isInstalling, 20_000)).toBe(true);
    lost.timers.freeze();
    lost.replica.stop({ handOver: false }, () => {});

    const next = lab.cluster.restart(lost);
    lab.untilAlike();

    expect(next.replica.view.jobs.size).toBe(110);
  });
});

describe("loading", () => {
  const state = createState({
    clusterId: "c",
    clusterName: "c",
    at: 5 as never,
    members: Array.from({ length: 5_000 }, (_, i) => ({
      nodeId: `n${i}` as NodeId,
      peerId: (i + 1) as never,
      storeId: "s",
      rpcAddress: "a",
      httpAddress: "b",
    })),
  });
  const bytes = encodeState(state);

  function load(data: Uint8Array, index: number) {
    const world = new FakeWorld();
    const snapshots = new MemorySnapshots(world.timers, snapshotMemory([["x", data]]));
    const sha256 = digestOf(data).sha256();
    const conf = {
      voters: [],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const meta = { index, term: 1, conf, id: "x", bytes: data.length, sha256 } as never;
    const results: { readonly ok: boolean; readonly error?: unknown }[] = [];
    let slices = 0;
    const timers: typeof world.timers = {
      after: world.timers.after,
      soon: (callback) => {
        slices += 1;
        world.timers.soon(callback);
      },
    };
    new StateLoad({ ...world, timers, snapshots }, meta, (loaded) => results.push(loaded));
    world.advance(10);
    return { results, slices };
  }

  test("takes turns with everything else", () => {
    const { results, slices } = load(bytes, 1);

    expect(results.map(({ ok }) => ok)).toEqual([true]);
    expect(slices).toBeGreaterThan(0);
  });

  test("refuses a state of another index, and what is no snapshot", () => {
    const [other] = load(bytes, 2).results;
    const [none] = load(new TextEncoder().encode("something else"), 1).results;

    expect(other?.error).toEqual({
      kind: "refused",
      detail: "snapshot x holds the state at 1, not at 2",
    });
    expect(none?.error).toEqual({
      kind: "refused",
      detail: "this is not a snapshot of an nl cluster",
    });
  });
});
