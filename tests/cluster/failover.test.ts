import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import { contention } from "./harness/contention.ts";
import { newJob } from "./harness/jobs.ts";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { until } from "./harness/until.ts";

/**
 * What clients see while leadership moves or a node is away: `bun run bench failover` measures it
 * over many rounds, here each kind is tried a few times, with bounds that no quiet machine needs.
 */

const CLIENTS = 16;
const ROUNDS = 3;
const FREEZE_MILLIS_MAX = 3_000;
const TRANSFER_MILLIS_MAX = 300;
/** Longer than an election timeout. */
const AWAY_MILLIS = 3_000;

const lab = new Lab();
let cluster: LocalCluster;
let control: GrpcClient;

beforeAll(async () => {
  cluster = await LocalCluster.serving(lab, "dev");
  control = cluster.client();
});

afterAll(() => lab.close());

/** Clients that write one after the other; what was refused, and the longest time without an ack. */
function startWriters() {
  const failures: string[] = [];
  let isOver = false;
  let acked = 0;
  let lastAckAt = performance.now();
  let silence = 0;
  const running = Array.from({ length: CLIENTS }, async () => {
    const client = cluster.client();
    while (!isOver) {
      const answer = await client.submitJob(newJob({ run: "true" }));
      if (!answer.ok) failures.push(`${answer.error.code}: ${answer.error.message}`);
      acked += answer.ok ? 1 : 0;
      silence = Math.max(silence, performance.now() - lastAckAt);
      lastAckAt = performance.now();
    }
    client.close();
  });
  return {
    acked: () => acked,
    async stop() {
      isOver = true;
      await Promise.all(running);
      return { failures, silence };
    },
  };
}

async function termOf(): Promise<number> {
  const status = await control.getStatus();
  return status.ok ? status.value.term : Number.NaN;
}

async function followers(): Promise<readonly string[]> {
  const leader = await cluster.leader();
  return cluster.nodeIds.filter((id) => id !== leader);
}

/** A node counts as heard from for a while after its death, so it is asked itself. */
async function isBack(id: string): Promise<void> {
  const client = cluster.client([cluster.addressOf(id)]);
  await until(`${id} follows`, async () => {
    const status = await client.getStatus();
    return status.ok && status.value.nodeId === id && status.value.leaderId !== "";
  });
  client.close();
  await allFollow();
}

const allFollow = (): Promise<true> =>
  until("both followers are close", async () => {
    const status = await control.getStatus();
    return (
      status.ok &&
      status.value.ready &&
      status.value.peers.every((peer) => peer.lag < 64 && peer.active)
    );
  });

describe("clients that write all the while", () => {
  test("lose nothing to a planned transfer", async () => {
    const silences: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await allFollow();
      const [to = ""] = await followers();
      const writers = startWriters();
      await until("they write", () => writers.acked() > 10 * CLIENTS);

      const moved = await control.transferLeader(to);
      const after = writers.acked();
      await until("they go on", () => writers.acked() > after + 10 * CLIENTS);
      const { failures, silence } = await writers.stop();

      expect(moved).toMatchObject({ ok: true, value: { leaderId: to } });
      expect(failures).toEqual([]);
      silences.push(silence);
    }
    console.log(`    longest silence around a transfer, ms: ${silences.map(Math.round).join(" ")}`);
    expect(Math.min(...silences)).toBeLessThan(TRANSFER_MILLIS_MAX * contention());
  });

  test("lose nothing to a follower that is killed", async () => {
    await allFollow();
    const term = await termOf();
    const [victim = ""] = await followers();
    const writers = startWriters();
    await until("they write", () => writers.acked() > 10 * CLIENTS);

    await cluster.kill(victim);
    const after = writers.acked();
    await until("they go on", () => writers.acked() > after + 50 * CLIENTS);
    const { failures } = await writers.stop();
    cluster.serve(victim);
    await isBack(victim);

    expect(failures).toEqual([]);
    expect(await termOf()).toBe(term);
  });
});

describe("a process that is stopped and goes on (P46)", () => {
  test("a follower: nobody campaigns", async () => {
    await allFollow();
    const term = await termOf();
    const [victim = ""] = await followers();

    cluster.signal(victim, "SIGSTOP");
    await Bun.sleep(AWAY_MILLIS);
    cluster.signal(victim, "SIGCONT");
    await allFollow();
    await Bun.sleep(AWAY_MILLIS);

    expect(await termOf()).toBe(term);
  });

  test("a leader: another one is found, and keeps its term when the first goes on", async () => {
    await allFollow();
    const frozen = await cluster.leader();
    await control.submitJob(newJob({ run: "true" }));

    cluster.signal(frozen, "SIGSTOP");
    const from = performance.now();
    const answer = await control.submitJob(newJob({ run: "true" }));
    const waited = performance.now() - from;
    const next = await cluster.leader();
    const term = await termOf();
    cluster.signal(frozen, "SIGCONT");
    await allFollow();
    await Bun.sleep(AWAY_MILLIS);

    console.log(`    SIGSTOP of the leader to next acked write: ${Math.round(waited)} ms`);
    expect(answer.ok).toBe(true);
    expect(waited).toBeLessThan(FREEZE_MILLIS_MAX * contention());
    expect(next).not.toBe(frozen);
    expect(await termOf()).toBe(term);
    expect(await cluster.leader()).toBe(next);
  });

  test("a leader for less than an election timeout leads on", async () => {
    await allFollow();
    const leader = await cluster.leader();
    const term = await termOf();

    cluster.signal(leader, "SIGSTOP");
    await Bun.sleep(500);
    cluster.signal(leader, "SIGCONT");
    await allFollow();
    await Bun.sleep(AWAY_MILLIS);

    expect(await termOf()).toBe(term);
    expect(await cluster.leader()).toBe(leader);
  });
});

describe("a node that never campaigns", () => {
  test("follows, leads when told to, and gives leadership up for good when it dies", async () => {
    await allFollow();
    const [shy = "", other = ""] = await followers();
    await cluster.kill(shy);
    cluster.serve(shy, "--no-campaign");
    await isBack(shy);
    const willing = await cluster.leader();

    const moved = await control.transferLeader(shy);
    await allFollow();
    const told = await cluster.leader();
    await cluster.kill(shy);
    const next = await until("another leads", async () => {
      const leader = await cluster.leader();
      return leader !== shy && leader;
    });
    cluster.serve(shy, "--no-campaign");
    await isBack(shy);

    expect(moved.ok).toBe(true);
    expect(told).toBe(shy);
    expect([willing, other]).toContain(next);
  });
});
