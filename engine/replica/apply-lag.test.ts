import { expect, test } from "bun:test";
import type { Index, JobId } from "../lib/ids.ts";
import { createRaft } from "../raft/raft.ts";
import { encodeSpec } from "../state/spec-codec.ts";
import { specWith } from "../state/state-fixture.ts";
import type { SnapshotPolicy } from "./replica.ts";
import { FakeCluster, type FakeNode } from "./testing/fake-cluster.ts";

/** The limit of what may be committed and not applied yet (`maxApplyLag`), with the whole replica. */

const LAG_MAX = 50;
const OFTEN: SnapshotPolicy = { entries: 20, logBytes: 1e9, keepEntries: 5, recordsPerSlice: 100 };

const spec = encodeSpec(specWith());

let jobCount = 0;

/** Proposes one job an entry; the answers so far. */
function submit(node: FakeNode, count: number): string[] {
  const answers: string[] = [];
  for (let i = 0; i < count; i++) {
    jobCount += 1;
    const jobId = String(jobCount).padStart(12, "0") as JobId;
    const body = { kind: "submit-jobs", jobs: [{ jobId, spec }] } as const;
    node.replica.propose({ principal: "user/test", body }, (answer) => {
      answers.push(answer.ok ? "ok" : answer.error.kind);
    });
  }
  return answers;
}

/** So many jobs on the node that leads, which takes all of them. */
function grow(cluster: FakeCluster, node: FakeNode, count: number): void {
  for (let done = 0; done < count; done += 10) {
    const answers = submit(node, 10);
    cluster.world.advanceUntil(() => answers.length === 10);
    expect(answers).toEqual(Array(10).fill("ok"));
  }
}

test("who took over a snapshot far ahead of what it had applied takes jobs as a leader", () => {
  const cluster = new FakeCluster(3, () => ({
    snapshots: OFTEN,
    createRaft: (config, boot) => createRaft({ ...config, maxApplyLag: LAG_MAX }, boot),
  }));
  cluster.start();
  const old = cluster.leader();
  const lost = cluster.nodes.find(({ peerId }) => peerId !== old.peerId);
  if (lost === undefined) throw new Error("there is another node");
  cluster.network.cut(lost.peerId);
  cluster.world.advance(5_000);
  grow(cluster, old, 4 * LAG_MAX);
  let restoredCount = 0;
  lost.replica.listen({ onRestored: () => (restoredCount += 1) });
  cluster.network.heal();
  const isAlike = (): boolean => lost.replica.view.stateHash() === old.replica.view.stateHash();
  expect(cluster.world.advanceUntil(isAlike, 20_000)).toBe(true);

  old.replica.transferLeader(lost.peerId, () => {});
  cluster.world.advanceUntil(() => lost.replica.status().role === "leader");

  expect(restoredCount).toBe(1);
  const { commit, applied } = lost.replica.status().raft;
  expect(commit - applied).toBeLessThanOrEqual(LAG_MAX);
  grow(cluster, lost, 2 * LAG_MAX);
});

test("a leader whose state falls too far behind refuses jobs, and takes them when it caught up", () => {
  /** What the core has not been told yet: as if the state machine were slow. */
  let held: Index | null = null;
  let tell = (_: Index): void => {};
  const cluster = new FakeCluster(1, () => ({
    createRaft: (config, boot) => {
      const raft = createRaft({ ...config, maxApplyLag: LAG_MAX }, boot);
      tell = raft.applied.bind(raft);
      raft.applied = (index) => {
        if (held === null) tell(index);
        else held = index;
      };
      return raft;
    },
  }));
  cluster.start();
  const leader = cluster.leader();

  held = leader.replica.view.appliedIndex;
  grow(cluster, leader, LAG_MAX + 10);
  const refused = submit(leader, 3);
  cluster.world.advance(100);

  expect(refused).toEqual(["overloaded", "overloaded", "overloaded"]);
  tell(held);
  held = null;
  grow(cluster, leader, 10);
});
