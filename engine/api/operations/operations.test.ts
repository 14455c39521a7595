import { describe, expect, test } from "bun:test";
import type { ListJobsRequest } from "../../../proto/gen/nl/v1/jobs.ts";
import { JobSpec as SpecMessage } from "../../../proto/gen/nl/v1/spec.ts";
import { COMMAND_BYTES_MAX } from "../../lib/job-spec.ts";
import { decodeSpec, encodeSpec } from "../../state/spec-codec.ts";
import { FakeNode } from "../testing/fake-node.ts";
import { specOf, value } from "../testing/live-cluster.ts";
import { admitSpec } from "./admit-spec.ts";
import { cancelJob } from "./cancel-job.ts";
import { getJob, waitJob } from "./get-job.ts";
import { listJobs } from "./list-jobs.ts";
import { getDigest } from "./status.ts";
import { submitJob, submitJobs } from "./submit-job.ts";

const id = (n: number): string => String(n).padStart(12, "0");
const list: ListJobsRequest = {
  states: [],
  nodeId: "",
  name: "",
  limit: 0,
  cursor: "",
  stale: false,
};

describe("admission of a spec", () => {
  test("gives the same bytes for the same spec, whatever the order of its maps", () => {
    const one = { ...specOf("true"), env: { A: "1", B: "2" } };
    const message = SpecMessage.decode(encodeSpec(one));
    const turned = SpecMessage.encode({ ...message, env: { B: "2", A: "1" } }).finish();

    expect(value(admitSpec(turned))).toEqual(value(admitSpec(encodeSpec(one))));
  });

  test("fills in what another client left out", () => {
    const sparse = SpecMessage.encode(SpecMessage.fromPartial({ command: ["true"] })).finish();

    const admitted = value(decodeSpec(value(admitSpec(sparse))));

    expect(admitted).toMatchObject({ driver: "auto", timeoutMillis: 3_600_000, onLost: "rerun" });
  });

  test("refuses what is too much, by its name", () => {
    const long = encodeSpec(specOf("x".repeat(COMMAND_BYTES_MAX + 1)));

    expect(admitSpec(long)).toMatchObject({ ok: false, error: { code: "invalid_spec" } });
    expect(admitSpec(new Uint8Array(200_000))).toMatchObject({
      ok: false,
      error: { code: "too_large" },
    });
  });
});

describe("a submission", () => {
  test("is refused as overloaded at once when the log has no room", async () => {
    const node = new FakeNode({ replica: { maxWaitingProposals: 2 } });
    const spec = encodeSpec(specOf("true"));

    const answers = await node.settle(
      Promise.all(
        [1, 2, 3].map((n) => submitJob(node.context, node.caller, { jobId: id(n), spec })),
      ),
    );

    expect(answers.map((answer) => (answer.ok ? "ok" : answer.error.code)).sort()).toEqual([
      "ok",
      "ok",
      "overloaded",
    ]);
  });

  test("of many jobs is cut into entries that a log entry can hold", async () => {
    const node = new FakeNode();
    const words = Array.from({ length: 4 }, () => "w".repeat(15_000));
    const spec = encodeSpec(specOf("echo", ...words));
    const before = node.context.replica.view.appliedIndex;
    const jobs = Array.from({ length: 20 }, (_, n) => ({ jobId: id(n), spec }));

    const answer = value(await node.settle(submitJobs(node.context, node.caller, jobs)));

    expect(answer.outcomes.map(({ jobId }) => jobId)).toEqual(jobs.map(({ jobId }) => jobId));
    expect(answer.outcomes.every(({ failure }) => failure === undefined)).toBe(true);
    expect(node.context.replica.view.appliedIndex - before).toBe(3);
  });

  test("of many jobs is refused whole, without effect, when there is no room to begin", async () => {
    const node = new FakeNode({ replica: { maxWaitingProposals: 1 } });
    const spec = encodeSpec(specOf("true"));

    const first = submitJob(node.context, node.caller, { jobId: id(1), spec });
    const batch = await node.settle(
      submitJobs(node.context, node.caller, [{ jobId: id(2), spec }]),
    );
    await node.settle(first);

    expect(batch).toMatchObject({ ok: false, error: { code: "overloaded" } });
    expect(node.context.replica.view.jobs.size).toBe(1);
  });
});

describe("a list", () => {
  test("goes on where the page before ended, also when jobs arrive meanwhile", async () => {
    const node = new FakeNode();
    node.submit(...[1, 2, 3, 4].map(id));
    node.submit(...[5, 6].map(id));

    const first = value(
      await node.settle(listJobs(node.context, node.caller, { ...list, limit: 3 })),
    );
    node.submit(id(7));
    const second = value(
      await node.settle(
        listJobs(node.context, node.caller, { ...list, limit: 3, cursor: first.nextCursor }),
      ),
    );

    expect(first.jobs.map((job) => job.id)).toEqual([6, 5, 4].map(id));
    expect(second.jobs.map((job) => job.id)).toEqual([3, 2, 1].map(id));
    expect([first.total, second.total]).toEqual([6, 7]);
    expect(second.nextCursor).toBe("");
  });

  test("is cut by bytes, so that large specs make small pages", async () => {
    const node = new FakeNode();
    const spec = encodeSpec(specOf("echo", "w".repeat(60_000)));
    const jobs = Array.from({ length: 40 }, (_, n) => ({ jobId: id(n), spec }));
    value(await node.settle(submitJobs(node.context, node.caller, jobs)));

    const page = value(await node.settle(listJobs(node.context, node.caller, list)));

    expect(page.jobs.length).toBeLessThan(20);
    expect(page.nextCursor).not.toBe("");
  });

  test("refuses a cursor that is none", async () => {
    const node = new FakeNode();

    const page = await node.settle(listJobs(node.context, node.caller, { ...list, cursor: "x" }));

    expect(page).toMatchObject({ ok: false, error: { code: "invalid_argument" } });
  });
});

describe("a wait", () => {
  test("ends with the job as it is when the caller's time is over", async () => {
    const node = new FakeNode();
    node.submit(id(1));
    const deadlineMillis = node.cluster.world.clock.monotonicMillis() + 1_000;

    const answer = value(
      await node.settle(
        waitJob(node.context, { ...node.caller, deadlineMillis }, { jobId: id(1), stale: false }),
      ),
    );

    expect(answer.job?.state).toBe("pending");
    expect(answer.job?.waitingFor).toBe("no node has room");
    expect(node.context.jobChanges.size).toBe(0);
  });

  test("sends its caller to another node when this one stops", async () => {
    const node = new FakeNode();
    node.submit(id(1));

    const waiting = waitJob(node.context, node.caller, { jobId: id(1), stale: false });
    await node.settle(getJob(node.context, node.caller, { jobId: id(1), stale: false }));
    node.stopping.abort();

    expect(await node.settle(waiting)).toMatchObject({ ok: false, error: { code: "draining" } });
  });
});

describe("a leader that is low on disk (S17)", () => {
  const shortage = "only 3 MiB are free on the disk of /data: it takes no new jobs";

  test("refuses new jobs with a sentence and a time to wait, and nothing of it happened", async () => {
    const node = new FakeNode();
    const context = { ...node.context, diskShortage: () => shortage };
    const job = { jobId: id(1), spec: encodeSpec(specOf("true")) };

    const one = await node.settle(submitJob(context, node.caller, job));
    const many = await node.settle(submitJobs(context, node.caller, [job]));

    const refusal = { code: "low_disk", message: shortage, retryAfterMillis: 5_000 };
    expect(one).toMatchObject({ ok: false, error: refusal });
    expect(many).toMatchObject({ ok: true, value: { outcomes: [{ failure: refusal }] } });
    expect(context.replica.view.jobs.size).toBe(0);
  });

  test("still lets work end: a cancel goes through", async () => {
    const node = new FakeNode();
    const job = { jobId: id(1), spec: encodeSpec(specOf("true")) };
    await node.settle(submitJob(node.context, node.caller, job));
    const context = { ...node.context, diskShortage: () => shortage };

    const cancelled = await node.settle(cancelJob(context, node.caller, { jobId: job.jobId }));

    expect(cancelled.ok).toBe(true);
  });
});

describe("what the leader tells the other servers", () => {
  test("S6: comes from a leader only that a quorum still follows: its age is counted from it", async () => {
    const node = new FakeNode({ size: 3 });
    const { cluster, context, caller } = node;
    cluster.world.advance(500);
    const before = await node.settle(getDigest(context, caller, { lowDisk: false }));

    cluster.network.cut(cluster.leader().peerId);
    const after = await node.settle(getDigest(context, caller, { lowDisk: false }));

    expect(before.ok).toBe(true);
    expect(after).toMatchObject({ ok: false, error: { code: "no_leader" } });
  });
});
