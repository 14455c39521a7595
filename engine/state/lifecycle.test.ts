import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { isOver } from "./attempt-lifecycle.ts";
import type { Attempt, Job, JobState } from "./cluster-state.ts";
import { ordinalOf } from "./pending-queue.ts";
import { specOf } from "./spec-of.ts";
import type { TestCluster } from "./state-fixture.ts";
import { STATE_LIMITS, StateStore } from "./state-store.ts";
import { clusterWith, type Step, steps, take, wantedJobs } from "./steps-fixture.ts";

describe("the life of jobs under any sequence of commands", () => {
  test("S2 S4 S5 S7 S14 S16 hold after every entry", () => {
    fc.assert(
      fc.property(wantedJobs, steps, (wanted, all) => {
        const cluster = clusterWith(wanted);
        let before = memoryOf(cluster);
        for (const one of all) {
          take(cluster, one);
          const after = memoryOf(cluster);
          nothingOverChanges(before, after);
          if (isForged(one)) expect(after.attempts).toEqual(before.attempts);
          everyJobFitsItsAttempts(cluster);
          indexesAgreeWithRecords(cluster);
          before = after;
        }
        expect(rebuiltHash(cluster)).toBe(cluster.state.stateHash());
      }),
      { numRuns: 150 },
    );
  });
});

/** A report of an attempt under a fence that it never had. */
const isForged = (one: Step): boolean => one.kind === "report" && one.fenceSkew > 0;

type Memory = {
  readonly jobs: readonly Job[];
  readonly attempts: readonly Attempt[];
  readonly at: number;
};

const memoryOf = ({ state }: TestCluster): Memory => ({
  jobs: [...state.jobs.values()],
  attempts: [...state.jobs.keys()].flatMap((id) => state.attemptsOf(id)),
  at: state.appliedAt,
});

const OVER: readonly JobState[] = ["completed", "failed", "cancelled"];

function nothingOverChanges(before: Memory, after: Memory): void {
  expect(after.at).toBeGreaterThanOrEqual(before.at);
  jobsStayOver(before, after);
  attemptsStayOver(before, after);
}

function jobsStayOver(before: Memory, after: Memory): void {
  for (const old of before.jobs) {
    const now = after.jobs.find(({ id }) => id === old.id);
    expect(now?.submittedIndex).toBe(old.submittedIndex);
    if (OVER.includes(old.state)) expect(now).toBe(old);
    const wasCancelled = old.run !== null && old.run.cancelRequestedAt !== null;
    if (wasCancelled) expect(["completed", "failed", "pending"]).not.toContain(now?.state ?? "");
  }
}

function attemptsStayOver(before: Memory, after: Memory): void {
  for (const old of before.attempts) {
    const now = after.attempts.find(({ id }) => id === old.id);
    expect([now?.nodeId, now?.fence]).toEqual([old.nodeId, old.fence]);
    if (old.state === "exited" || old.state === "declined") expect(now).toBe(old);
    if (old.state === "lost") expect(["lost", "exited"]).toContain(now?.state ?? "");
  }
}

function everyJobFitsItsAttempts({ state }: TestCluster): void {
  for (const one of state.jobs.values()) {
    const attempts = state.attemptsOf(one.id);
    const live = attempts.filter((attempt) => !isOver(attempt));
    const isHeld = one.state === "assigned" || one.state === "running";
    expect(live).toHaveLength(isHeld ? 1 : 0);
    if (isHeld) expect(live[0]).toBe(attempts.at(-1));
    expect(attempts).toHaveLength(one.run?.attempt ?? 0);
    expect(attempts.map(({ fence }) => fence)).toEqual(
      attempts.map(({ fence }) => fence).toSorted((a, b) => a - b),
    );
    const spec = specOf(one.spec);
    const started = attempts.filter((attempt) => attempt.state !== "declined");
    if (spec.once) expect(started.length).toBeLessThanOrEqual(1);
    expect(one.run?.failures ?? 0).toBeLessThanOrEqual(spec.retries.count + 1);
    expect(one.run?.losses ?? 0).toBeLessThanOrEqual(4);
    expect(one.run?.losses ?? 0).toBeGreaterThanOrEqual(0);
  }
}

function indexesAgreeWithRecords({ state }: TestCluster): void {
  const jobs = [...state.jobs.values()];
  for (const [name, count] of Object.entries(state.counts)) {
    expect(count).toBe(jobs.filter((one) => one.state === name).length);
  }
  const pending = jobs
    .filter((one) => one.state === "pending")
    .toSorted((a, b) => a.queueKey - b.queueKey);
  expect([...state.pending()]).toEqual(pending);
  const ready = pending.filter((one) => (one.run?.notBefore ?? 0) <= state.appliedAt);
  expect([...state.ready(state.appliedAt)]).toEqual(ready);
  expect([...state.newestFirst()]).toEqual(
    jobs.toSorted((a, b) => ordinalOf(b.queueKey) - ordinalOf(a.queueKey)),
  );
  for (const { id } of state.nodes.values()) {
    const live = jobs
      .flatMap((one) => state.attemptsOf(one.id))
      .filter((attempt) => attempt.nodeId === id && !isOver(attempt));
    expect(new Set(state.liveAttempts(id))).toEqual(new Set(live));
  }
}

/** The hash of a state that was given the same records in another order. */
function rebuiltHash({ state }: TestCluster): string {
  const rebuilt = new StateStore({
    clusterId: state.clusterId,
    clusterName: state.clusterName,
    featureLevel: state.featureLevel,
    appliedIndex: state.appliedIndex,
    appliedAt: state.appliedAt,
    limits: STATE_LIMITS,
  });
  for (const record of [...state.nodes.values()].toReversed()) rebuilt.putNode(record);
  for (const one of [...state.jobs.values()].toReversed()) {
    rebuilt.addJob(one);
    for (const attempt of state.attemptsOf(one.id).toReversed()) rebuilt.putAttempt(attempt);
  }
  rebuilt.setNextPeerId(state.nextPeerId);
  return rebuilt.stateHash();
}
