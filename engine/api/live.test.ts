import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { WatchEvent } from "../client/client.ts";
import type { GrpcClient } from "../client/grpc-client.ts";
import type { AttemptId } from "../lib/ids.ts";
import { LiveCluster, newJobId, specOf, value } from "./testing/live-cluster.ts";

let cluster: LiveCluster;
let client: GrpcClient;

beforeAll(async () => {
  cluster = await LiveCluster.start(1);
  await cluster.leader();
  client = await cluster.client();
});
afterAll(() => cluster.stop());

const soon = (): AbortSignal => AbortSignal.timeout(5_000);

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 5_000;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error("it did not happen within 5 s");
    await Bun.sleep(5);
  }
}

async function startHold(): Promise<{ readonly jobId: string; readonly attempt: AttemptId }> {
  const jobId = newJobId();
  value(await client.submitJob({ jobId, spec: specOf("hold") }));
  const attempt = `${jobId}.1` as AttemptId;
  await until(async () => value(await client.getJob(jobId)).job?.state === "running");
  return { jobId, attempt };
}

const tasks = () => {
  const [node] = cluster.nodes;
  if (node === undefined) throw new Error("one node");
  return node.tasks;
};

describe("jobs", () => {
  test("runs a submitted job, and tells who waits how it ended", async () => {
    const jobId = newJobId();

    const submitted = value(await client.submitJob({ jobId, spec: specOf("exit", "7") }));
    const job = value(await client.waitJob(jobId, soon()));

    expect(submitted).toMatchObject({ jobId, existed: false });
    expect(job).toMatchObject({ id: jobId, state: "failed", exitCode: 7, principal: "user/alice" });
    expect(job.attempts).toHaveLength(1);
  });

  test("the same id is the same job, and another spec under it is a conflict", async () => {
    const jobId = newJobId();

    const first = value(await client.submitJob({ jobId, spec: specOf("exit", "0") }));
    const again = value(await client.submitJob({ jobId, spec: specOf("exit", "0") }));
    const other = await client.submitJob({ jobId, spec: specOf("exit", "1") });

    expect([first.existed, again.existed]).toEqual([false, true]);
    expect(other).toMatchObject({ ok: false, error: { code: "job_conflict" } });
  });

  test("a bad spec is refused with the field's name, a bad id by its form", async () => {
    const spec = { ...specOf("true"), priority: 1_000 };

    const badSpec = await client.submitJob({ jobId: newJobId(), spec });
    const noCommand = await client.submitJob({ jobId: newJobId(), spec: specOf() });
    const badId = await client.getJob("no such id!");

    expect(badSpec).toMatchObject({ ok: false, error: { code: "invalid_spec" } });
    expect(JSON.stringify(badSpec)).toContain("priority");
    expect(JSON.stringify(noCommand)).toContain("command");
    expect(badId).toMatchObject({ ok: false, error: { code: "invalid_argument" } });
  });

  test("a unique prefix of four characters finds the job, an unknown id does not", async () => {
    const jobId = newJobId();
    value(await client.submitJob({ jobId, spec: specOf("true") }));

    const found = value(await client.getJob(jobId.slice(0, 8)));
    const unknown = await client.getJob(newJobId());

    expect(found.job?.id).toBe(jobId);
    expect(unknown).toMatchObject({ ok: false, error: { code: "not_found" } });
  });

  test("an ambiguous prefix names the candidates", async () => {
    const ids = ["aaaa00000001", "aaaa00000002"] as const;
    for (const jobId of ids) {
      value(await client.submitJob({ jobId: jobId as never, spec: specOf("exit", "0") }));
    }

    const found = await client.getJob("aaaa");

    expect(found).toMatchObject({ ok: false, error: { code: "ambiguous_id" } });
    for (const jobId of ids) expect(JSON.stringify(found)).toContain(jobId);
  });

  test("a running job is cancelled, and cancelling it again says that it is over", async () => {
    const { jobId } = await startHold();

    const cancelled = value(await client.cancelJob(jobId));
    const job = value(await client.waitJob(jobId, soon()));
    const again = await client.cancelJob(jobId);

    expect(["running", "cancelled"]).toContain(cancelled.state);
    expect(job.state).toBe("cancelled");
    expect(again).toMatchObject({ ok: false, error: { code: "already_over" } });
  });

  test("a wait that is given up says so, and the job runs on", async () => {
    const { jobId, attempt } = await startHold();

    const given = await client.waitJob(jobId, AbortSignal.timeout(50));

    expect(given).toMatchObject({ ok: false, error: { code: "timed_out" } });
    expect(value(await client.getJob(jobId)).job?.state).toBe("running");
    tasks().exit(attempt, 0);
  });
});

describe("lists", () => {
  test("pages through all jobs, newest first, each once", async () => {
    const ids = Array.from({ length: 25 }, newJobId);
    const spec = { ...specOf("exit", "0"), name: "paged" };
    value(await client.submitJobs(ids.map((jobId) => ({ jobId, spec }))));

    const seen: string[] = [];
    let cursor = "";
    do {
      const page = value(await client.listJobs({ name: "paged", limit: 10, cursor }));
      seen.push(...page.jobs.map((job) => job.id));
      cursor = page.nextCursor;
    } while (cursor !== "");

    expect(seen).toEqual([...ids].reverse());
  });

  test("filters by state and counts exactly", async () => {
    const { jobId, attempt } = await startHold();

    const running = value(await client.listJobs({ states: ["running"] }));

    expect(running.jobs.map((job) => job.id)).toContain(jobId);
    expect(running.jobs.every((job) => job.state === "running")).toBe(true);
    expect(running.total).toBe(running.jobs.length);
    tasks().exit(attempt, 0);
    value(await client.waitJob(jobId, soon()));
  });

  test("refuses a state that does not exist", async () => {
    const list = await client.listJobs({ states: ["sleeping"] });

    expect(list).toMatchObject({ ok: false, error: { code: "invalid_argument" } });
  });

  test("a stale list says how old it is", async () => {
    const list = value(await client.listJobs({ stale: true, limit: 1 }));

    expect(list.ageMillis).toBe(0);
  });

  test("the log shows what was submitted, in words", async () => {
    const jobId = newJobId();
    const { index } = value(await client.submitJob({ jobId, spec: specOf("exit", "0") }));

    const log = value(await client.listLog({ startIndex: index, limit: 1 }));

    expect(log.entries).toMatchObject([
      { index, command: "submit-jobs", committed: true, summary: `submit ${jobId}` },
    ]);
  });
});

describe("output", () => {
  test("is followed from before the start to the end", async () => {
    const jobId = newJobId();
    const text: string[] = [];
    value(await client.submitJob({ jobId, spec: specOf("hold") }));
    const attempt = `${jobId}.1` as AttemptId;

    const reading = (async () => {
      for await (const chunk of client.readOutput({ jobId, follow: true }, soon())) {
        text.push(value(chunk).data.toString());
      }
    })();
    await until(() => tasks().running.includes(attempt));
    tasks().write(attempt, "one ");
    await until(() => text.join("") === "one ");
    tasks().write(attempt, "two");
    tasks().exit(attempt, 0);
    await reading;

    expect(text.join("")).toBe("one two");
  });

  test("resumes at an offset and ends with a complete chunk", async () => {
    const jobId = newJobId();
    value(await client.submitJob({ jobId, spec: specOf("echo", "hello") }));
    value(await client.waitJob(jobId, soon()));

    const chunks = await Array.fromAsync(client.readOutput({ jobId, offset: 2 }, soon()));

    const last = chunks.at(-1);
    expect(chunks.map((chunk) => value(chunk).data.toString()).join("")).toBe("llo\n");
    expect(last).toMatchObject({ ok: true, value: { complete: true, attempt: 1 } });
  });

  test("goes on through the attempts of a job when that is asked for", async () => {
    const jobId = newJobId();
    const spec = specOf("hold");
    const retries = { ...spec.retries, count: 1, backoffMillis: 0, maxBackoffMillis: 0 };
    value(await client.submitJob({ jobId, spec: { ...spec, retries } }));
    const read: string[] = [];

    const reading = (async () => {
      const request = { jobId, follow: true, untilJobOver: true };
      for await (const chunk of client.readOutput(request, soon())) {
        read.push(`${value(chunk).attempt}:${value(chunk).data.toString()}`);
      }
    })();
    for (const number of [1, 2]) {
      const attempt = `${jobId}.${number}` as AttemptId;
      await until(() => tasks().running.includes(attempt));
      tasks().write(attempt, `try ${number}`);
      tasks().exit(attempt, number === 1 ? 1 : 0);
    }
    await reading;

    expect(read.filter((text) => text.includes("try"))).toEqual(["1:try 1", "2:try 2"]);
  });

  test("of an attempt that does not exist is not found", async () => {
    const jobId = newJobId();
    value(await client.submitJob({ jobId, spec: specOf("exit", "0") }));
    value(await client.waitJob(jobId, soon()));

    const chunks = await Array.fromAsync(client.readOutput({ jobId, attempt: 9 }, soon()));

    expect(chunks).toMatchObject([{ ok: false, error: { code: "not_found" } }]);
  });
});

describe("watch", () => {
  const wanted = { jobs: true, nodes: true, status: true, jobId: "", finishedLimit: 0 };

  test("says hello, gives a snapshot, then what changes", async () => {
    const events: WatchEvent[] = [];
    const before = newJobId();
    value(await client.submitJob({ jobId: before, spec: specOf("exit", "0") }));
    value(await client.waitJob(before, soon()));

    const watching = client.watch(wanted, (event) => events.push(event));
    await until(() => events.some((event) => event.kind === "snapshot" && event.done));
    const after = newJobId();
    value(await client.submitJob({ jobId: after, spec: specOf("exit", "3") }));
    const states = () =>
      events.flatMap((event) =>
        event.kind === "delta" ? event.jobs.filter((job) => job.id === after) : [],
      );
    await until(() => states().at(-1)?.state === "failed");
    await until(() => events.some((event) => event.kind === "alive"));
    watching.stop();

    expect(events.slice(0, 2).map((event) => event.kind)).toEqual(["connecting", "attached"]);
    const snapshot = events.filter((event) => event.kind === "snapshot");
    expect(snapshot.flatMap((event) => event.jobs.map((job) => job.id))).toContain(before);
    expect(snapshot.flatMap((event) => event.nodes.map((node) => node.id))).toEqual(["n1"]);
    expect(states().at(-1)?.exitCode).toBe(3);
    expect(events.some((event) => event.kind === "status")).toBe(true);
  });

  test("of one job carries its attempts, at once, and nothing else", async () => {
    const { jobId, attempt } = await startHold();
    const events: WatchEvent[] = [];

    const watching = client.watch({ ...wanted, nodes: false, status: false, jobId }, (event) =>
      events.push(event),
    );
    await until(() => events.some((event) => event.kind === "snapshot" && event.done));
    value(await client.submitJob({ jobId: newJobId(), spec: specOf("exit", "0") }));
    tasks().exit(attempt, 4);
    const last = () => events.findLast((event) => event.kind === "delta")?.jobs[0];
    await until(() => last()?.state === "failed");
    watching.stop();

    expect(last()?.attempts[0]?.exitCode).toBe(4);
    const ids = events.flatMap((event) =>
      event.kind === "delta" || event.kind === "snapshot" ? event.jobs.map((job) => job.id) : [],
    );
    expect(new Set(ids)).toEqual(new Set([jobId]));
  });

  test("resumes where it was after a reconnect, without a second snapshot", async () => {
    const events: WatchEvent[] = [];
    const watching = client.watch(wanted, (event) => events.push(event));
    await until(() => events.some((event) => event.kind === "snapshot" && event.done));
    value(await client.submitJob({ jobId: newJobId(), spec: specOf("exit", "0") }));
    await until(() => events.some((event) => event.kind === "delta"));
    const snapshots = events.filter((event) => event.kind === "snapshot").length;

    watching.reconnect();
    await until(() => events.filter((event) => event.kind === "attached").length === 2);
    const jobId = newJobId();
    value(await client.submitJob({ jobId, spec: specOf("exit", "0") }));
    const known = () =>
      events.some((event) => event.kind === "delta" && event.jobs.some((job) => job.id === jobId));
    await until(known);
    watching.stop();

    expect(events.findLast((event) => event.kind === "attached")).toMatchObject({ resumed: true });
    expect(events.filter((event) => event.kind === "snapshot")).toHaveLength(snapshots);
  });

  test("gives every change as an event in order when asked to", async () => {
    const events: WatchEvent[] = [];
    const watching = client.watch({ ...wanted, events: true }, (event) => events.push(event));
    await until(() => events.some((event) => event.kind === "snapshot" && event.done));

    const jobId = newJobId();
    value(await client.submitJob({ jobId, spec: specOf("exit", "0") }));
    const whats = () =>
      events
        .flatMap((event) => (event.kind === "delta" ? event.events : []))
        .filter((event) => event.subject === "job" && event.id === jobId)
        .map((event) => event.what);
    await until(() => whats().includes("completed"));
    watching.stop();

    expect(whats()[0]).toBe("pending");
    expect(whats().at(-1)).toBe("completed");
    const revisions = events
      .flatMap((event) => (event.kind === "delta" ? event.events : []))
      .map((event) => event.revision.split(".").map(Number));
    const sorted = revisions.toSorted(([a = 0, b = 0], [c = 0, d = 0]) => a - c || b - d);
    expect(revisions).toEqual(sorted);
  });
});

describe("who may do what", () => {
  test("a viewer sees but may not submit, cancel or read output", async () => {
    const viewer = await cluster.client({ role: "viewer", user: "vera" });
    const jobId = newJobId();
    value(await client.submitJob({ jobId, spec: specOf("exit", "0") }));

    const seen = await viewer.getJob(jobId);
    const submitted = await viewer.submitJob({ jobId: newJobId(), spec: specOf("true") });
    const cancelled = await viewer.cancelJob(jobId);
    const output = await Array.fromAsync(viewer.readOutput({ jobId }, soon()));

    expect(seen.ok).toBe(true);
    for (const answer of [submitted, cancelled, ...output]) {
      expect(answer).toMatchObject({ ok: false, error: { code: "forbidden" } });
    }
  });

  test("a submitter cancels what is theirs, and nothing else", async () => {
    const bob = await cluster.client({ role: "submitter", user: "bob" });
    const { jobId } = await startHold();
    const own = newJobId();
    value(await bob.submitJob({ jobId: own, spec: specOf("hold") }));

    const others = await bob.cancelJob(jobId);
    const mine = await bob.cancelJob(own);
    value(await client.cancelJob(jobId));

    expect(others).toMatchObject({ ok: false, error: { code: "forbidden" } });
    expect(mine.ok).toBe(true);
  });

  test("a watch that is not allowed is refused, not retried", async () => {
    const events: WatchEvent[] = [];
    const options = { jobs: true, nodes: false, status: false, jobId: "zzzz", finishedLimit: 0 };

    client.watch(options, (event) => events.push(event));
    await until(() => events.some((event) => event.kind === "refused"));

    expect(events.at(-1)).toMatchObject({ error: { code: "not_found" } });
  });
});

describe("nodes and cluster", () => {
  test("a drain is shown, refused a second time undone, and undone once", async () => {
    value(await client.drainNode({ nodeId: "n1", deadlineMillis: 60_000, message: "disk" }));
    const drained = value(await client.listNodes()).nodes[0];
    value(await client.undrainNode("n1"));
    const undone = value(await client.listNodes()).nodes[0];
    const again = await client.undrainNode("n1");
    const unknown = await client.drainNode({ nodeId: "n9", deadlineMillis: 0, message: "" });

    expect(drained?.eligibility).toMatch(/^drain/);
    expect(undone?.eligibility).toBe("ready");
    expect(again).toMatchObject({ ok: false, error: { code: "wrong_state" } });
    expect(unknown).toMatchObject({ ok: false, error: { code: "not_found" } });
  });

  test("the status names leader, peers and counts", async () => {
    const status = value(await client.getStatus());

    expect(status).toMatchObject({
      nodeId: "n1",
      leaderId: "n1",
      role: "leader",
      ready: true,
      peers: [{ nodeId: "n1", role: "leader", known: true, active: true }],
    });
  });

  test("leadership cannot go anywhere when there is nobody else", async () => {
    const moved = await client.transferLeader("");

    expect(moved).toMatchObject({ ok: false, error: { code: "transfer_failed" } });
  });
});

describe("batches and streams", () => {
  test("a batch answers each job on its own, in order", async () => {
    const ids = Array.from({ length: 3 }, newJobId);
    const specs = [specOf("exit", "0"), { ...specOf("true"), priority: 101 }, specOf("exit", "0")];

    const outcomes = value(
      await client.submitJobs(ids.map((jobId, i) => ({ jobId, spec: specs[i] ?? specOf() }))),
    );

    expect(outcomes.map((outcome) => outcome.jobId)).toEqual(ids);
    expect(outcomes.map((outcome) => outcome.failure?.code)).toEqual([
      undefined,
      "invalid_spec",
      undefined,
    ]);
  });

  test("a spec that no message can carry is refused without a throw", async () => {
    const spec = { ...specOf("true"), priority: -1 };

    const single = await client.submitJob({ jobId: newJobId(), spec });
    const batch = await client.submitJobs([{ jobId: newJobId(), spec }]);
    const stream = client.submitStream();
    const streamed = await stream.submit({ jobId: newJobId(), spec });
    stream.close();

    for (const answer of [single, batch, streamed]) {
      expect(answer).toMatchObject({ ok: false, error: { code: "invalid_spec" } });
    }
  });

  test("a stream takes thousands of jobs, none twice and none lost", async () => {
    const stream = client.submitStream();
    const ids = Array.from({ length: 3_000 }, newJobId);
    const spec = { ...specOf("exit", "0"), name: "streamed" };

    const answers = await Promise.all(ids.map((jobId) => stream.submit({ jobId, spec })));
    stream.close();

    expect(answers.filter((answer) => !answer.ok || answer.value.failure !== undefined)).toEqual(
      [],
    );
    const last = value(await client.getJob(ids.at(-1) ?? ""));
    expect(last.job?.spec?.name).toBe("streamed");
  });

  test("a stream answers a bad job without harm to the others", async () => {
    const stream = client.submitStream();

    const [bad, good] = await Promise.all([
      stream.submit({ jobId: newJobId(), spec: { ...specOf("true"), priority: 101 } }),
      stream.submit({ jobId: newJobId(), spec: specOf("exit", "0") }),
    ]);
    stream.close();

    expect(bad).toMatchObject({ ok: true, value: { failure: { code: "invalid_spec" } } });
    expect(good).toMatchObject({ ok: true, value: { failure: undefined } });
  });
});
