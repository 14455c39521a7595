import { afterEach, describe, expect, test } from "bun:test";
import { createServer, type Server } from "node:net";
import type { ReadOutputRequest, SubmitStreamRequest } from "../../proto/gen/nl/v1/jobs.ts";
import type { WatchFrame, WatchRequest } from "../../proto/gen/nl/v1/watch.ts";
import { nlError } from "../lib/error-code.ts";
import type { JobId } from "../lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../lib/job-spec.ts";
import type { WatchEvent } from "./client.ts";
import { type FakeBehaviour, FakeServers, statusOf } from "./testing/fake-server.ts";

const servers = new FakeServers();
const silent: Server[] = [];
afterEach(async () => {
  await servers.stop();
  for (const server of silent.splice(0)) server.close();
});

const spec: JobSpec = {
  ...SPEC_DEFAULTS,
  name: "test",
  command: ["true"],
  image: "",
  env: {},
  labels: {},
};
const jobId = "aaaaaaaaaaaa" as JobId;
const soon = () => AbortSignal.timeout(5_000);

const accepting = (): FakeBehaviour & { readonly seen: unknown[] } => {
  const seen: unknown[] = [];
  return {
    seen,
    unary: (request) => {
      seen.push(request);
      return { value: { jobId, index: 7, existed: false } };
    },
  };
};

/** A port where nobody listens. */
async function deadAddress(): Promise<string> {
  const server = await servers.start({});
  await server.kill();
  return server.address;
}

/** Takes connections and never says a word, like a frozen process. */
function frozenAddress(): Promise<string> {
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
  });
  silent.push(server);
  return new Promise((resolve) => {
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      resolve(`127.0.0.1:${typeof address === "object" ? address?.port : 0}`);
    });
  });
}

async function until(reached: () => boolean): Promise<void> {
  const giveUpAt = performance.now() + 8_000;
  while (!reached()) {
    if (performance.now() > giveUpAt) throw new Error("it did not happen within 8 s");
    await Bun.sleep(5);
  }
}

describe("a call", () => {
  test("passes over an address where nobody listens, at once and only once", async () => {
    const good = await servers.start(accepting());
    const client = await servers.client([await deadAddress(), good.address]);
    const startedAt = performance.now();

    const first = await client.submitJob({ jobId, spec });
    const second = await client.submitJob({ jobId, spec });

    expect([first.ok, second.ok]).toEqual([true, true]);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });

  test("passes over a frozen node", async () => {
    const good = await servers.start(accepting());
    const client = await servers.client([await frozenAddress(), good.address]);

    const answer = await client.submitJob({ jobId, spec });

    expect(answer.ok).toBe(true);
  }, 8_000);

  test("to nobody says soon where it looked, and what the connection said", async () => {
    const address = await deadAddress();
    const client = await servers.client([address], 60_000);
    const startedAt = performance.now();

    const answer = await client.getStatus();

    expect(answer).toMatchObject({ ok: false, error: { code: "unreachable" } });
    expect(JSON.stringify(answer)).toContain(address);
    expect(performance.now() - startedAt).toBeLessThan(2_500);
  });

  test("to a node of another CA says that its certificate is not trusted", async () => {
    const strangers = new FakeServers();
    const other = await strangers.start(accepting());
    const client = await servers.client([other.address]);

    const answer = await client.getStatus();
    await strangers.stop();

    expect(answer).toMatchObject({ ok: false, error: { code: "unauthenticated" } });
    expect(JSON.stringify(answer)).toMatch(/certificate/i);
  });

  test("keeps the refusal as the cluster worded it", async () => {
    const refused = nlError("job_conflict", "job a exists", "take another id", 0);
    const node = await servers.start({ unary: () => refused });
    const client = await servers.client([node.address]);

    expect(await client.submitJob({ jobId, spec })).toEqual({ ok: false, error: refused });
  });

  test("is repeated with the same id when the outcome is not known", async () => {
    const first = accepting();
    let isFirst = true;
    const behaviour: FakeBehaviour = {
      unary: (request) => {
        first.seen.push(request);
        if (!isFirst) return { value: { jobId, index: 7, existed: true } };
        isFirst = false;
        return nlError("indefinite", "not confirmed in time");
      },
    };
    const node = await servers.start(behaviour);
    const client = await servers.client([node.address]);

    const answer = await client.submitJob({ jobId, spec });

    expect(answer).toMatchObject({ ok: true, value: { existed: true } });
    expect(first.seen).toHaveLength(2);
    expect(first.seen[0]).toEqual(first.seen[1]);
  });

  test("that is not safe to repeat is not repeated when the outcome is not known", async () => {
    let count = 0;
    const node = await servers.start({
      unary: () => {
        count += 1;
        return nlError("indefinite", "not confirmed in time");
      },
    });
    const client = await servers.client([node.address]);

    const answer = await client.transferLeader("n2");

    expect(answer).toMatchObject({ ok: false, error: { code: "indefinite" } });
    expect(count).toBe(1);
  });

  test("waits a while for a leader, and gives up a full cluster soon", async () => {
    let left = 3;
    const leaderless = await servers.start({
      unary: () =>
        left-- > 0 ? nlError("no_leader", "none") : { value: { jobId, index: 1, existed: false } },
    });
    const full = await servers.start({ unary: () => nlError("overloaded", "full", "", 50) });
    const patient = await servers.client([leaderless.address]);
    const refused = await servers.client([full.address], 60_000);
    const startedAt = performance.now();

    expect((await patient.submitJob({ jobId, spec })).ok).toBe(true);
    expect(await refused.submitJob({ jobId, spec })).toMatchObject({
      ok: false,
      error: { code: "overloaded" },
    });
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });

  test("goes to the leader from then on, when a node says who leads", async () => {
    const leader = accepting();
    const leading = await servers.start(leader);
    const relay = await servers.start({
      unary: () => ({ value: { jobId, index: 1, existed: false }, leader: leading.address }),
    });
    const client = await servers.client([relay.address]);

    servers.leaders.length = 0;
    for (let i = 0; i < 3; i++) await client.submitJob({ jobId, spec });

    expect(leader.seen).toHaveLength(2);
    expect(servers.leaders).toEqual([leading.address]);
  });
});

describe("output", () => {
  const chunk = (offset: number, text: string, complete = false) => ({
    offset,
    stream: 1,
    data: Buffer.from(text),
    skippedBytes: 0,
    at: 1,
    complete,
    attempt: 1,
  });

  test("goes on at the same offset through another node, without gaps or repeats", async () => {
    const asked: ReadOutputRequest[] = [];
    const breaking = await servers.start({
      readOutput: (call) => {
        asked.push(call.request);
        call.write(chunk(0, "one "));
        call.write(chunk(4, "two "), () => setTimeout(() => void breaking.kill(), 50));
      },
    });
    const other = await servers.start({
      readOutput: (call) => {
        asked.push(call.request);
        call.write(chunk(4, "two "));
        call.write(chunk(8, "three"));
        call.write(chunk(13, "", true));
        call.end();
      },
    });
    const client = await servers.client([breaking.address, other.address]);

    const request = { jobId, follow: true, tailBytes: 100 };
    const chunks = await Array.fromAsync(client.readOutput(request, soon()));

    const text = chunks.map((one) => (one.ok ? one.value.data.toString() : one.error.message));
    expect(text.join("")).toBe("one two three");
    expect(asked[1]).toMatchObject({ attempt: 1, offset: 8, tailBytes: 0 });
  });

  test("ends with the cluster's own words when it refuses", async () => {
    const refused = nlError("not_found", "no such job");
    const node = await servers.start({
      readOutput: (call) => call.emit("error", statusOf(refused)),
    });
    const client = await servers.client([node.address]);

    const chunks = await Array.fromAsync(client.readOutput({ jobId }, soon()));

    expect(chunks).toEqual([{ ok: false, error: refused }]);
  });
});

describe("a watch", () => {
  const options = { jobs: true, nodes: false, status: false, jobId: "", finishedLimit: 0 };
  const hello = (nodeId: string, addresses: string[] = []): WatchFrame => ({
    revision: "",
    kind: { $case: "hello", value: { nodeId, clusterName: "c", addresses } },
  });
  const snapshot = (revision: string): WatchFrame => ({
    revision,
    kind: {
      $case: "snapshot",
      value: { jobs: [], nodes: [], done: true, totalJobs: 0 },
    },
  });

  test("resumes at its revision on a node that it was not even given", async () => {
    const asked: WatchRequest[] = [];
    const other = await servers.start({
      watch: (call) => {
        asked.push(call.request);
        call.write(hello("n2"));
      },
    });
    const first = await servers.start({
      watch: (call) => {
        asked.push(call.request);
        call.write(hello("n1", [other.address]));
        call.write(snapshot("12.3"), () => setTimeout(() => void first.kill(), 50));
      },
    });
    const client = await servers.client([first.address]);
    const events: WatchEvent[] = [];

    const watching = client.watch(options, (event) => events.push(event));
    await until(() => events.some((event) => event.kind === "attached" && event.nodeId === "n2"));
    watching.stop();

    expect(asked.map(({ sinceRevision }) => sinceRevision)).toEqual(["", "12.3"]);
    expect(events.map((event) => event.kind)).toEqual([
      "connecting",
      "attached",
      "snapshot",
      "lost",
      "connecting",
      "attached",
    ]);
  });

  test("leaves a node that falls silent", async () => {
    const mute = await servers.start({ watch: (call) => call.write(hello("n1")) });
    const other = await servers.start({ watch: (call) => call.write(hello("n2")) });
    const client = await servers.client([mute.address, other.address]);
    const events: WatchEvent[] = [];

    const watching = client.watch(options, (event) => events.push(event));
    await until(() => events.some((event) => event.kind === "attached" && event.nodeId === "n2"));
    watching.stop();

    expect(events.some((event) => event.kind === "lost")).toBe(true);
  }, 10_000);

  test("begins anew after a resync, and says so by a first snapshot frame", async () => {
    const node = await servers.start({
      watch: (call) => {
        call.write(hello("n1"));
        call.write(snapshot("5.0"));
        call.write({ revision: "", kind: { $case: "resync", value: { reason: "slow" } } });
        call.write(snapshot("9.0"));
      },
    });
    const client = await servers.client([node.address]);
    const events: WatchEvent[] = [];

    const watching = client.watch(options, (event) => events.push(event));
    await until(() => events.filter((event) => event.kind === "snapshot").length === 2);
    watching.stop();

    expect(events.filter((event) => event.kind === "snapshot").map(({ first }) => first)).toEqual([
      true,
      true,
    ]);
  });

  test("stops trying when it is told that it may not", async () => {
    const refused = nlError("forbidden", "not for you");
    const node = await servers.start({ watch: (call) => call.emit("error", statusOf(refused)) });
    const client = await servers.client([node.address]);
    const events: WatchEvent[] = [];

    client.watch(options, (event) => events.push(event));
    await until(() => events.some((event) => event.kind === "refused"));

    expect(events.at(-1)).toEqual({ kind: "refused", error: refused });
  });
});

describe("a submit stream", () => {
  test("sends what was not answered through another node when it breaks", async () => {
    const seen: string[] = [];
    const breaking = await servers.start({
      submitStream: (call) => {
        call.on("data", ({ jobs }: SubmitStreamRequest) => {
          for (const job of jobs) seen.push(`first ${job.jobId}`);
          setTimeout(() => void breaking.kill(), 20);
        });
      },
    });
    const other = await servers.start({
      submitStream: (call) => {
        call.on("data", ({ sequence, jobs }: SubmitStreamRequest) => {
          for (const job of jobs) seen.push(`other ${job.jobId}`);
          const outcomes = jobs.map((job) => ({
            jobId: job.jobId,
            index: 3,
            existed: true,
            failure: undefined,
          }));
          call.write({ sequence, outcomes, more: [] });
        });
      },
    });
    const client = await servers.client([breaking.address, other.address]);
    const stream = client.submitStream();

    const answer = await stream.submit({ jobId, spec });
    stream.close();

    expect(answer).toMatchObject({ ok: true, value: { existed: true } });
    expect(seen).toEqual([`first ${jobId}`, `other ${jobId}`]);
  });

  test("does not say that nothing happened when a submission was on its way", async () => {
    const arrived = Promise.withResolvers<void>();
    const node = await servers.start({
      submitStream: (call) => call.on("data", () => arrived.resolve()),
    });
    const client = await servers.client([node.address]);
    const stream = client.submitStream();

    const open = stream.submit({ jobId, spec });
    await arrived.promise;
    stream.close();

    expect(await open).toMatchObject({ ok: false, error: { code: "indefinite" } });
  });

  test("remembers that an earlier try may have worked", async () => {
    const repeated = Promise.withResolvers<void>();
    let count = 0;
    const node = await servers.start({
      submitStream: (call) => {
        call.on("data", ({ sequence, jobs }: SubmitStreamRequest) => {
          count += 1;
          if (count === 3) repeated.resolve();
          const failure = nlError(count === 1 ? "indefinite" : "no_leader", "not now");
          const outcomes = jobs.map((job) => ({ ...job, index: 0, existed: false, failure }));
          if (count < 3) call.write({ sequence, outcomes, more: [] });
        });
      },
    });
    const client = await servers.client([node.address]);
    const stream = client.submitStream();

    const open = stream.submit({ jobId, spec });
    await repeated.promise;
    stream.close();

    expect(await open).toMatchObject({ ok: false, error: { code: "indefinite" } });
  });

  test("answers what is open when it is closed", async () => {
    const node = await servers.start({ submitStream: (call) => call.on("data", () => {}) });
    const client = await servers.client([node.address]);
    const stream = client.submitStream();

    const open = stream.submit({ jobId, spec });
    stream.close();

    expect(await open).toMatchObject({ ok: false, error: { code: "unreachable" } });
  });
});

describe("a batch", () => {
  test("calls a job indefinite to the end when one of its tries was", async () => {
    let round = 0;
    const node = await servers.start({
      unary: () => {
        round += 1;
        const failure = nlError(round === 1 ? "indefinite" : "overloaded", "not now");
        return { value: { outcomes: [{ jobId, index: 0, existed: false, failure }] } };
      },
    });
    const client = await servers.client([node.address]);

    const answer = await client.submitJobs([{ jobId, spec }]);

    expect(answer).toMatchObject({ ok: true, value: [{ failure: { code: "indefinite" } }] });
  });

  test("keeps what its first calls achieved when a later one fails", async () => {
    let round = 0;
    const failure = nlError("no_leader", "not now");
    const other = "bbbbbbbbbbbb" as JobId;
    const node = await servers.start({
      unary: () => {
        round += 1;
        if (round > 1) return nlError("forbidden", "not for you");
        const done = { jobId, index: 7, existed: false };
        return { value: { outcomes: [done, { ...done, jobId: other, failure }] } };
      },
    });
    const client = await servers.client([node.address]);

    const answer = await client.submitJobs([jobId, other].map((id) => ({ jobId: id, spec })));

    expect(answer).toMatchObject({
      ok: true,
      value: [{ index: 7 }, { jobId: other, failure: { code: "forbidden" } }],
    });
  });
});
