import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync, rmSync } from "node:fs";
import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import { contention } from "./harness/contention.ts";
import { newJob } from "./harness/jobs.ts";
import { type JoiningAgent, startJoining } from "./harness/joining-agent.ts";
import { Lab } from "./harness/lab.ts";
import { listAll } from "./harness/list-all.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { isAlive, send } from "./harness/processes.ts";
import { until } from "./harness/until.ts";

/**
 * Members come, move and go while the cluster serves. The tests share one cluster and follow each
 * other: three servers become five, then three others.
 */

const CHANGE_MILLIS = 30_000;
const HTTP_OFFSET = 10;
const slowness = contention();

/** All bounds here are those of a quiet machine. */
const within: typeof until = (what, ask, limitMillis = 10_000) =>
  until(what, ask, limitMillis * slowness);

setDefaultTimeout(2 * CHANGE_MILLIS * slowness);

const lab = new Lab();
let cluster: LocalCluster;
let client: GrpcClient;
const acked: string[] = [];
const refused: string[] = [];
const agents = new Map<string, JoiningAgent>();

beforeAll(async () => {
  cluster = await LocalCluster.serving(lab, "dev");
  client = cluster.client([0, 1, 2, 3, 4, 5, 6, 7].map(addressAt));
});

afterAll(() => lab.close());

describe("three servers, then five, then three", () => {
  test("no write fails or is lost meanwhile, also when the leader leaves", async () => {
    let isOver = false;
    const writing = Promise.all([keepSubmitting(() => isOver), keepSubmitting(() => isOver)]);

    await joinAt("n4", 3);
    await joinAt("n5", 4);
    await votersAre(["n1", "n2", "n3", "n4", "n5"]);
    const leader = await leaderId();
    const other = leader === "n2" ? "n3" : "n2";
    for (const id of [leader, other]) await leave(id);
    const rest = ["n1", "n2", "n3", "n4", "n5"].filter((id) => id !== leader && id !== other);
    await votersAre(rest);
    isOver = true;
    await writing;

    expect(refused).toEqual([]);
    expect(acked.length).toBeGreaterThan(10);
    const known = new Set((await listAll(client)).map(({ id }) => id));
    expect(acked.filter((id) => !known.has(id))).toEqual([]);
    expect(new Set(await stateHashes()).size).toBe(1);
  });

  test("who has left and is started again stops with a sentence, and disturbs nobody", async () => {
    const gone = await within(
      "one of the founders has stopped by itself",
      () => cluster.nodeIds.find((id) => !cluster.isUp(id)) ?? null,
    );
    const before = await term();

    const again = startJoining(lab, `${cluster.root}/${gone}`);

    expect(await exitOf(again)).not.toBe(0);
    expect(again.said()).toMatch(/removed from (the|this) cluster/);
    expect(await term()).toBe(before);
  });
});

describe("a node whose directory was deleted", () => {
  test("joins under a new name; the old one is removed", async () => {
    await kill("n5");
    rmSync(lab.path("n5"), { recursive: true });

    const same = startJoining(lab, lab.path("n5"), await joinFlags("n5", 4));
    expect(await exitOf(same)).not.toBe(0);
    expect(same.said()).toMatch(/error: .*n5/);
    expect(existsSync(lab.path("n5"))).toBe(false);

    await joinAt("n6", 5);
    await leave("n5");
    await within("n6 votes in the place of n5", async () => {
      const ids = await voterIds();
      return ids.length === 3 && ids.includes("n6") && !ids.includes("n5");
    });
    expect(new Set(await stateHashes()).size).toBe(1);
  });
});

describe("a node that is started with another address", () => {
  test("is reached there by the others, also when it leads", async () => {
    const n4 = agents.get("n4");
    send(n4?.pid ?? 0, "SIGTERM");
    await n4?.exited;

    const listen = ["--listen", addressAt(7), "--http", addressAt(7 + HTTP_OFFSET)];
    agents.set("n4", startJoining(lab, lab.path("n4"), listen));
    await within("the table says where n4 is, and it has caught up", async () => {
      const n4 = (await listMembers()).find(({ nodeId }) => nodeId === "n4");
      return n4?.rpcAddress === addressAt(7) && n4.known && n4.active && n4.lag === 0;
    });
    expect(await write()).toBe("ok");
    await within("n4 leads", async () => {
      const moved = await client.transferLeader("n4");
      if ((await leaderId()) === "n4") return true;
      throw new Error(JSON.stringify(moved));
    });

    expect(await write()).toBe("ok");
    expect(new Set(await stateHashes()).size).toBe(1);
  });
});

describe("a leader that is killed between the adding of a node and its vote", () => {
  test("leaves the rest to the next one", async () => {
    const joiner = startJoining(lab, lab.path("n7"), await joinFlags("n7", 6));
    await within("n7 has been let in", () => existsSync(lab.path("n7")));
    send(joiner.pid, "SIGSTOP");
    const roleOfN7 = async () =>
      (await listMembers()).find(({ nodeId }) => nodeId === "n7")?.role ?? null;
    await within("n7 learns", async () => (await roleOfN7()) === "learner");

    expect(await leaderId()).toBe("n4");
    await kill("n4");
    send(joiner.pid, "SIGCONT");

    await within("n7 votes", async () => (await roleOfN7()) === "voter", CHANGE_MILLIS);
    expect(await write()).toBe("ok");
  });
});

const addressAt = (at: number): string => `127.0.0.1:${cluster.portBase + at}`;

async function joinFlags(name: string, at: number): Promise<readonly string[]> {
  const made = await client.createJoinToken({ lifetimeMillis: 0, uses: 1 });
  if (!made.ok) throw new Error(made.error.message);
  const members = await listMembers();
  const member = members.find(({ role }) => role === "leader")?.httpAddress ?? "";
  const listen = ["--listen", addressAt(at), "--http", addressAt(at + HTTP_OFFSET)];
  return ["--join", made.value.token, "--addr", member, "--name", name, ...listen];
}

async function joinAt(name: string, at: number): Promise<void> {
  const agent = startJoining(lab, lab.path(name), await joinFlags(name, at));
  agents.set(name, agent);
  await within(
    `${name} votes`,
    async () => {
      if (!isAlive(agent.pid)) throw new Error(agent.said());
      return (await voterIds()).includes(name);
    },
    CHANGE_MILLIS,
  );
}

async function leave(id: string): Promise<void> {
  const left = await client.removeMember({ nodeId: id, deadlineMillis: 60_000 });
  if (!left.ok) throw new Error(`${id}: ${left.error.message}`);
  await within(
    `${id} is forgotten`,
    async () => {
      const members = await listMembers();
      if (members.every(({ nodeId }) => nodeId !== id)) return true;
      throw new Error(JSON.stringify(members));
    },
    CHANGE_MILLIS,
  );
}

async function kill(id: string): Promise<void> {
  const agent = agents.get(id);
  if (agent === undefined) throw new Error(`${id} is none of ours`);
  send(agent.pid, "SIGKILL");
  await agent.exited;
}

function exitOf(agent: JoiningAgent): Promise<number> {
  return within(
    "the agent has ended",
    async () => {
      if (!isAlive(agent.pid)) return { code: await agent.exited };
      throw new Error(agent.said());
    },
    CHANGE_MILLIS,
  ).then(({ code }) => code);
}

async function listMembers() {
  const listed = await client.listMembers();
  if (!listed.ok) throw new Error(listed.error.message);
  return listed.value.members;
}

async function voterIds(): Promise<readonly string[]> {
  const members = await listMembers();
  const voters = members.filter(({ role }) => role === "voter" || role === "leader");
  return voters.map(({ nodeId }) => nodeId).sort();
}

const votersAre = (ids: readonly string[]): Promise<boolean> =>
  within(`the voters are ${ids}`, async () => String(await voterIds()) === String(ids));

const leaderId = (): Promise<string> =>
  within("there is a leader", async () => {
    const leading = (await listMembers()).find(({ role }) => role === "leader");
    return leading?.nodeId ?? null;
  });

async function term(): Promise<number> {
  const status = await client.getStatus();
  if (!status.ok) throw new Error(status.error.message);
  return status.value.term;
}

async function keepSubmitting(isOver: () => boolean): Promise<void> {
  const writer = cluster.client([0, 1, 2, 3, 4].map(addressAt));
  while (!isOver()) {
    const job = newJob({ run: "true" });
    const answer = await writer.submitJob(job);
    if (answer.ok) acked.push(job.jobId);
    else refused.push(`${answer.error.code}: ${answer.error.message}`);
  }
}

async function write(): Promise<string> {
  const answer = await client.submitJob(newJob({ run: "true" }));
  return answer.ok ? "ok" : answer.error.message;
}

/** Of all voters, once they have applied the same entries. */
async function stateHashes(): Promise<readonly string[]> {
  const voters = (await listMembers()).filter(({ role }) => role === "voter" || role === "leader");
  const asked = voters.map(({ rpcAddress }) => cluster.client([rpcAddress]));
  return within("the voters have applied the same entries", async () => {
    const all = await Promise.all(asked.map((one) => one.getStatus()));
    const states = all.flatMap((one) => (one.ok ? [one.value] : []));
    const indexes = new Set(states.map(({ appliedIndex }) => appliedIndex));
    if (states.length !== voters.length || indexes.size !== 1) return null;
    return states.map(({ stateHash }) => String(stateHash));
  });
}
