import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import type { GrpcClient } from "../../engine/client/grpc-client.ts";
import { newJob } from "./harness/jobs.ts";
import { startJoining } from "./harness/joining-agent.ts";
import { Lab } from "./harness/lab.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { until } from "./harness/until.ts";

/** A cluster that begins with one server: `nl cluster init`, tokens, and who they let in. */

const HTTP_OFFSET = 10;

const lab = new Lab();
let cluster: LocalCluster;
let client: GrpcClient;

beforeAll(async () => {
  cluster = await LocalCluster.place(lab, "made");
  const init = ["cluster", "init", "--dir", cluster.root, "--listen", addressAt(0)];
  expect(await cluster.nl(init)).toMatchObject({ code: 0 });
  startJoining(lab, `${cluster.root}/n1`);
  client = cluster.client([0, 1, 2].map(addressAt));
  await until("n1 leads", async () => (await rolesOf())["n1"] === "leader");
});

afterAll(() => lab.close());

describe("a token that does not let in: one sentence, an exit code, and nothing is left", () => {
  test("no token at all", async () => {
    expect(await refusedWith("nonsense")).toEqual([2, "this is not a join token"]);
  });

  test("one that was revoked", async () => {
    const token = await tokenFor({ uses: 1 });
    expect((await cli("cluster", "join", "--revoke", token)).code).toBe(0);
    expect(await refusedWith(token)).toEqual([6, "this join token was revoked"]);
  });

  test("one that has expired", async () => {
    const token = await tokenFor({ lifetimeMillis: 1 });
    expect(await refusedWith(token)).toEqual([6, "this join token has expired"]);
  });

  test("one with a wrong secret", async () => {
    const [id = "", secret = "", print = ""] = (await tokenFor({})).split(".");
    const wrong = [id, secret.replace(/^./, (first) => (first === "0" ? "1" : "0")), print];
    expect(await refusedWith(wrong.join("."))).toEqual([
      6,
      "this cluster knows no such join token",
    ]);
  });

  test("one of another cluster", async () => {
    const [id = "", secret = "", print = ""] = (await tokenFor({})).split(".");
    const foreign = [id, secret, print.replace(/^./, (first) => (first === "A" ? "B" : "A"))];
    const [code, sentence] = await refusedWith(foreign.join("."));
    expect(code).toBe(6);
    expect(sentence).toContain("belongs to another cluster than the token");
  });
});

describe("two more servers", () => {
  test("one joins and votes; its token opens nothing more", async () => {
    const token = await tokenFor({ uses: 1 });
    startJoining(lab, lab.path("n2"), joinFlags(token, 1));
    await until("n2 votes", async () => (await rolesOf())["n2"] === "voter");

    expect(await refusedWith(token)).toEqual([6, "this join token has been used already"]);
  });

  test("a learner stays one until it is promoted", async () => {
    const token = await tokenFor({ uses: 1 });
    startJoining(lab, lab.path("n3"), [...joinFlags(token, 2), "--learner"]);
    await until("n3 has caught up as a learner", async () => {
      const listed = await client.listMembers();
      const n3 = listed.ok ? listed.value.members.find(({ nodeId }) => nodeId === "n3") : undefined;
      return n3?.role === "learner" && n3.known && n3.matchIndex > 0 && n3.lag === 0;
    });
    await lookAgain();
    expect(await rolesOf()).toMatchObject({ n2: "voter", n3: "learner" });

    expect((await cli("cluster", "promote", "n3", "--timeout", "20s")).code).toBe(0);
    expect(await rolesOf()).toMatchObject({ n2: "voter", n3: "voter" });
  });
});

/** A node's record changes, so the leader looks what is due; what it did is committed by the end. */
async function lookAgain(): Promise<void> {
  const drain = await client.drainNode({ nodeId: "n2", deadlineMillis: 60_000, message: "" });
  const undrain = await client.undrainNode("n2");
  expect([drain.ok, undrain.ok]).toEqual([true, true]);
  for (let i = 0; i < 5; i++) {
    expect(await client.submitJob(newJob({ run: "true" }))).toMatchObject({ ok: true });
  }
}

const addressAt = (at: number): string => `127.0.0.1:${cluster.portBase + at}`;

const cli = (...words: readonly string[]) =>
  cluster.nl(["-a", addressAt(0), "--data", cluster.root, ...words]);

const joinFlags = (token: string, at: number): readonly string[] => [
  ...["--join", token, "--addr", addressAt(HTTP_OFFSET), "--listen", addressAt(at)],
];

async function tokenFor(wish: { uses?: number; lifetimeMillis?: number }): Promise<string> {
  const made = await client.createJoinToken({ lifetimeMillis: 0, uses: 1, ...wish });
  if (!made.ok) throw new Error(made.error.message);
  return made.value.token;
}

/** Exit code and sentence of a join that must leave nothing behind. */
async function refusedWith(token: string): Promise<readonly [number, string]> {
  const before = readdirSync(lab.directory);
  const words = ["agent", "--dir", lab.path("refused"), ...joinFlags(token, 4)];
  const { code, stderr } = await cluster.nl(words);
  expect(readdirSync(lab.directory)).toEqual(before);
  const [sentence = ""] = stderr.split("\n");
  return [code, sentence.replace(/^error: /, "").replace(/: .*/, "")];
}

async function rolesOf(): Promise<Readonly<Record<string, string>>> {
  const listed = await client.listMembers();
  if (!listed.ok) throw new Error(listed.error.message);
  return Object.fromEntries(listed.value.members.map(({ nodeId, role }) => [nodeId, role]));
}
