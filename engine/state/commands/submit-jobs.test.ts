import { describe, expect, test } from "bun:test";
import type { Index, UnixMillis } from "../../lib/ids.ts";
import { encodeSpec } from "../spec-codec.ts";
import { job, START, specWith, TestCluster } from "../state-fixture.ts";

describe("submit-jobs", () => {
  test("records a pending job with its time, index and principal", () => {
    const cluster = new TestCluster();

    const outcome = cluster.submit(1);

    expect(outcome).toEqual({ kind: "ok", index: 2 as Index, existed: false });
    expect(cluster.job(1)).toMatchObject({
      state: "pending",
      reason: "queued",
      submittedAt: START,
      submittedIndex: 2,
      updatedIndex: 2,
      principal: "user/alice",
      run: null,
    });
  });

  test("S2: the same id and spec again is the same job, and changes nothing", () => {
    const cluster = new TestCluster();
    cluster.submit(1);
    const before = cluster.job(1);
    const hash = cluster.state.stateHash();

    const outcome = cluster.submit(1);

    expect(outcome).toEqual({ kind: "ok", index: 2 as Index, existed: true });
    expect(cluster.job(1)).toBe(before);
    expect(cluster.state.stateHash()).toBe(hash);
  });

  test("S2: the same id stays the same job after it is over", () => {
    const cluster = new TestCluster({ nodes: 1 });
    cluster.start(1);
    cluster.finish(1, 0);

    expect(cluster.submit(1)).toMatchObject({ kind: "ok", existed: true });
    expect(cluster.job(1).state).toBe("completed");
  });

  test("S2: another spec under the same id is a conflict", () => {
    const cluster = new TestCluster();
    cluster.submit(1);

    const outcome = cluster.submit(1, { command: ["false"] });

    expect(outcome).toEqual({
      kind: "refused",
      refusal: { kind: "job-conflict", jobId: job(1) },
    });
  });

  test("answers every job of a batch on its own", () => {
    const cluster = new TestCluster();
    cluster.submit(1);
    const same = encodeSpec(specWith());
    const other = encodeSpec(specWith({ name: "other" }));

    const { outcomes } = cluster.change({
      kind: "submit-jobs",
      jobs: [
        { jobId: job(1), spec: same },
        { jobId: job(1), spec: other },
        { jobId: job(2), spec: other },
        { jobId: job(2), spec: other },
      ],
    });

    expect(outcomes).toEqual([
      { kind: "ok", index: 2 as Index, existed: true },
      { kind: "refused", refusal: { kind: "job-conflict", jobId: job(1) } },
      { kind: "ok", index: 3 as Index, existed: false },
      { kind: "ok", index: 3 as Index, existed: true },
    ]);
  });

  test("S12: refuses what is new when the records are full, and still knows what it has", () => {
    const cluster = new TestCluster({ limits: { jobsMax: 1 } });
    cluster.submit(1);

    expect(cluster.submit(2)).toEqual({
      kind: "refused",
      refusal: { kind: "queue-full", limit: 1 },
    });
    expect(cluster.submit(1)).toMatchObject({ kind: "ok", existed: true });
  });

  test("S16: a clock that went back does not take the job's time back", () => {
    const cluster = new TestCluster();
    cluster.wait(500);
    cluster.submit(1);
    cluster.wait(-400);
    cluster.submit(2);

    expect(cluster.job(2).submittedAt).toBe((START + 500) as UnixMillis);
    expect(cluster.state.appliedAt).toBe((START + 500) as UnixMillis);
  });

  test("equal specs share one record, and do not keep the log entry alive", () => {
    const cluster = new TestCluster();
    cluster.submit(1);
    cluster.submit(2);

    expect(cluster.job(1).spec).toBe(cluster.job(2).spec);
    expect(cluster.job(1).spec.bytes.buffer.byteLength).toBe(cluster.job(1).spec.bytes.length);
  });
});
