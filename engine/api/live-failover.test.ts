import { afterEach, describe, expect, test } from "bun:test";
import type { WatchEvent } from "../client/client.ts";
import type { GrpcClient } from "../client/grpc-client.ts";
import type { AttemptId } from "../lib/ids.ts";
import { LiveCluster, newJobId, specOf, value } from "./testing/live-cluster.ts";

let cluster: LiveCluster;
afterEach(() => cluster.stop());

const soon = (): AbortSignal => AbortSignal.timeout(8_000);

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = performance.now() + 8_000;
  while (!(await condition())) {
    if (performance.now() > giveUpAt) throw new Error("it did not happen within 8 s");
    await Bun.sleep(5);
  }
}

async function startHold(client: GrpcClient): Promise<{ jobId: string; nodeId: string }> {
  const jobId = newJobId();
  value(await client.submitJob({ jobId, spec: specOf("hold") }));
  await until(async () => value(await client.getJob(jobId)).job?.state === "running");
  return { jobId, nodeId: value(await client.getJob(jobId)).job?.nodeId ?? "" };
}

describe("three nodes", () => {
  test("any node answers any call, and every node reads what was acked elsewhere", async () => {
    cluster = await LiveCluster.start(3);
    await cluster.leader();
    const clients = await Promise.all(
      cluster.nodes.map(({ address }) => cluster.client({ addresses: [address] })),
    );

    for (const client of clients) {
      const jobId = newJobId();
      const done = value(await client.submitJob({ jobId, spec: specOf("exit", "0") }));
      const seen = await Promise.all(clients.map((other) => other.getJob(jobId)));

      expect(done.existed).toBe(false);
      expect(seen.map((answer) => value(answer).job?.id)).toEqual([jobId, jobId, jobId]);
      expect(value(await client.waitJob(jobId, soon())).state).toBe("completed");
    }
  });

  test("a submission through a follower stands in the name of the user who made it", async () => {
    cluster = await LiveCluster.start(3);
    const follower = await cluster.follower();
    const addresses = [follower.address];
    const bob = await cluster.client({ addresses, role: "submitter", user: "bob" });
    const vera = await cluster.client({ addresses, role: "viewer", user: "vera" });

    const jobId = newJobId();
    value(await bob.submitJob({ jobId, spec: specOf("exit", "0") }));
    const refused = await vera.submitJob({ jobId: newJobId(), spec: specOf("exit", "0") });

    expect(value(await vera.getJob(jobId)).job?.principal).toBe("user/bob");
    expect(refused).toMatchObject({ ok: false, error: { code: "forbidden" } });
  });

  test("a stream through a follower is answered in full", async () => {
    cluster = await LiveCluster.start(3);
    const follower = await cluster.follower();
    const client = await cluster.client({ addresses: [follower.address] });
    const stream = client.submitStream();

    const answers = await Promise.all(
      Array.from({ length: 500 }, () =>
        stream.submit({ jobId: newJobId(), spec: specOf("exit", "0") }),
      ),
    );
    stream.close();

    expect(answers.every((answer) => answer.ok && answer.value.failure === undefined)).toBe(true);
  });

  test("output is read through a node that did not run the job", async () => {
    cluster = await LiveCluster.start(3);
    await cluster.leader();
    const client = await cluster.client();
    const { jobId, nodeId } = await startHold(client);
    const source = cluster.nodes.find(({ id }) => id === nodeId);
    const other = cluster.nodes.find(({ id }) => id !== nodeId);
    const reader = await cluster.client({ addresses: [other?.address ?? ""] });
    let text = "";

    const reading = (async () => {
      for await (const chunk of reader.readOutput({ jobId, follow: true }, soon())) {
        text += value(chunk).data.toString();
      }
    })();
    source?.tasks.write(`${jobId}.1` as AttemptId, "from afar");
    await until(() => text === "from afar");
    source?.tasks.exit(`${jobId}.1` as AttemptId, 0);
    await reading;

    expect(text).toBe("from afar");
  });

  test("a follower knows the peers' progress with its age", async () => {
    cluster = await LiveCluster.start(3);
    const follower = await cluster.follower();
    const client = await cluster.client({ addresses: [follower.address] });

    await until(async () => value(await client.getStatus()).peers.every((peer) => peer.known));
    const status = value(await client.getStatus());

    expect(status.role).toBe("follower");
    expect(status.peers.map((peer) => peer.role).sort()).toEqual([
      "follower",
      "follower",
      "leader",
    ]);
    expect(status.digestAgeMillis).toBeLessThan(3_000);
    const nodes = value(await client.listNodes()).nodes;
    expect(nodes.map((node) => node.liveness)).toEqual(["alive", "alive", "alive"]);
    const stale = value(await client.listJobs({ stale: true }));
    expect(stale.ageMillis).toBeLessThan(3_000);
  });

  test("leadership goes to the node that is named", async () => {
    cluster = await LiveCluster.start(3);
    const follower = await cluster.follower();
    const client = await cluster.client();

    const moved = value(await client.transferLeader(follower.id));

    expect(moved.leaderId).toBe(follower.id);
    await until(async () => value(await client.getStatus()).leaderId === follower.id);
    const jobId = newJobId();
    expect((await client.submitJob({ jobId, spec: specOf("exit", "0") })).ok).toBe(true);
  });

  test("a client goes on when the leader stops: calls, waits, a watch and a stream", async () => {
    cluster = await LiveCluster.start(3);
    const leader = await cluster.leader();
    const client = await cluster.client();
    const waited = newJobId();
    const resources = { cpuMillis: 1_000_000, memoryBytes: 6 * 1024 * 1024, pids: 1 };
    value(await client.submitJob({ jobId: waited, spec: { ...specOf("hold"), resources } }));
    const waiting = client.waitJob(waited, soon());
    const events: WatchEvent[] = [];
    const leaderFirst = await cluster.client({
      addresses: [leader.address, ...cluster.addresses.filter((one) => one !== leader.address)],
    });
    const watching = leaderFirst.watch(
      { jobs: true, nodes: true, status: true, jobId: "", finishedLimit: 0 },
      (event) => events.push(event),
    );
    await until(() => events.some((event) => event.kind === "snapshot" && event.done));
    const stream = leaderFirst.submitStream();

    const before = await Promise.all(Array.from({ length: 50 }, () => submit(stream)));
    const during = Promise.all(Array.from({ length: 50 }, () => submit(stream)));
    await cluster.stopNode(leader.id);
    const after = await Promise.all(
      Array.from({ length: 20 }, () =>
        client.submitJob({ jobId: newJobId(), spec: specOf("exit", "0") }),
      ),
    );

    expect(before.every(isAccepted)).toBe(true);
    expect((await during).every(isAccepted)).toBe(true);
    expect(after.every((answer) => answer.ok)).toBe(true);
    stream.close();
    await until(() => events.filter((event) => event.kind === "attached").length >= 2);
    const jobId = newJobId();
    value(await client.submitJob({ jobId, spec: specOf("exit", "0") }));
    await until(() =>
      events.some((event) => event.kind === "delta" && event.jobs.some((job) => job.id === jobId)),
    );
    watching.stop();
    expect(events.findLast((event) => event.kind === "attached")).toMatchObject({ resumed: true });
    value(await client.cancelJob(waited));
    expect(value(await waiting).state).toBe("cancelled");
  }, 20_000);
});

const submit = (stream: ReturnType<GrpcClient["submitStream"]>) =>
  stream.submit({ jobId: newJobId(), spec: specOf("exit", "0") });

const isAccepted = (answer: Awaited<ReturnType<typeof submit>>): boolean =>
  answer.ok && answer.value.failure === undefined;
