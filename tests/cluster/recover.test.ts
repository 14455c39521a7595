import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { nodeDirectory } from "../../cmd/local/cluster-file.ts";
import { Lab } from "./harness/lab.ts";
import { listAll } from "./harness/list-all.ts";
import { LocalCluster } from "./harness/local-cluster.ts";
import { isAlive } from "./harness/processes.ts";
import type { Outcome } from "./harness/run-nl.ts";
import { until } from "./harness/until.ts";

/** The operator's last tools on real directories: they look, they refuse, and they help (S15). */

const lab = new Lab();
let cluster: LocalCluster;
let known: readonly string[] = [];
/** A follower that is stopped, and has lost its mark. */
let victim = "";

beforeAll(async () => {
  cluster = await LocalCluster.serving(lab, "dev");
  for (let at = 0; at < 3; at++) await cluster.nl(["submit", "--", "true"]);
  known = await jobIds();
  const leader = await cluster.leader();
  victim = cluster.nodeIds.find((id) => id !== leader) ?? "";
});

afterAll(async () => {
  cluster.closeClients();
  await lab.close();
});

describe("while a healthy majority runs", () => {
  test("neither command touches a node that runs", async () => {
    for (const name of ["repair", "recover"]) {
      expectRefusal(await tool(name, "-y"), /the node of .* runs \(process \d+\)/);
    }
  });

  test("a stopped node is looked at, and left alone", async () => {
    await end(victim);
    rmSync(join(nodeDirectory(cluster.root, victim), "mark"));

    const looked = await tool("repair", "--dry-run");
    const repaired = await tool("repair");
    const recovered = await tool("recover", "-y");

    expect(looked.code).toBe(0);
    expect(looked.stdout).toMatch(/^mark +missing +what this node promised/m);
    expect(looked.stderr).toMatch(/does not vote until a leader/);
    expectRefusal(
      repaired,
      /a healthy majority answers: n\d \(.*\), n\d \(.*\); nothing was changed/,
    );
    expectRefusal(recovered, /a healthy majority answers/);
  });
});

describe("when the others are gone for good", () => {
  test("one that still runs is named, and nothing is changed", async () => {
    const [first, second] = others();
    await end(first ?? "");

    // At first it still believes that it has a majority behind it.
    const refused = await until(`${second} knows that it is alone`, async () => {
      const outcome = await tool("recover", "-y");
      return !/healthy majority/.test(outcome.stderr) && outcome;
    });
    await end(second ?? "");

    expectRefusal(refused, new RegExp(`${second} .* still runs; nothing was changed`));
  });

  test("what would be lost is said before anything is done", async () => {
    const asked = await tool("recover");

    expect(asked.code).toBe(1);
    expect(asked.stderr).toMatch(
      /would go on alone .* 3 jobs\nits log is damaged: .* lost for good/,
    );
    expect(asked.stderr).toMatch(
      /never start the data of these again.*\n.*\nnothing was changed\n$/,
    );
  });

  test("a node goes on alone with everything in its log", async () => {
    const recovered = await tool("recover", "-y");
    cluster.serve(victim);
    await until(`${victim} leads`, async () => (await statusOf(victim))?.leaderId === victim);
    const submitted = await cluster.nl(["submit", "-q", "--", "true"]);
    await until("nobody else is on record", async () => {
      const members = await memberIds(victim);
      if (String(members) === victim) return true;
      throw new Error(String(members));
    });

    expect(recovered.code).toBe(0);
    expect(recovered.stderr).toMatch(/is the only voter now, from term \d+ on/);
    expect(submitted.code).toBe(0);
    known = [...known, submitted.stdout.trim()].sort();
    expect(await jobIds()).toEqual(known);
    expect((await statusOf(victim))?.warnings).toEqual([]);
  });

  test("a single node with a damaged log waits for it, and says so", async () => {
    await end(victim);
    rmSync(join(nodeDirectory(cluster.root, victim), "mark"));
    cluster.serve(victim);
    const waiting = await until("it answers", () => statusOf(victim));
    await end(victim);
    const repaired = await tool("repair");
    const recovered = await tool("recover", "-y");
    cluster.serve(victim);
    await until(`${victim} leads again`, async () => (await statusOf(victim))?.leaderId === victim);

    expect(waiting.leaderId).toBe("");
    expect(waiting.warnings.join()).toMatch(/is damaged: it waits .* nl cluster recover --dir/);
    expect([repaired.code, recovered.code]).toEqual([0, 0]);
    expect(await jobIds()).toEqual(known);
  });
});

const others = (): readonly string[] => cluster.nodeIds.filter((id) => id !== victim);

const tool = (name: string, ...flags: readonly string[]): Promise<Outcome> =>
  cluster.nl(["cluster", name, "--dir", nodeDirectory(cluster.root, victim), ...flags]);

function expectRefusal({ code, stderr }: Outcome, what: RegExp): void {
  expect(stderr).toMatch(what);
  expect(stderr).toMatch(/^error: .*\nhint: .*\ncode: refused\n$/m);
  expect(code).toBe(1);
}

async function end(id: string): Promise<void> {
  const pid = cluster.agentPid(id);
  cluster.signal(id, "SIGTERM");
  await until(`${id} has stopped`, () => !isAlive(pid));
}

async function statusOf(id: string) {
  const client = cluster.client([cluster.addressOf(id)]);
  const status = await client.getStatus();
  client.close();
  return status.ok ? status.value : null;
}

async function memberIds(id: string): Promise<readonly string[]> {
  const client = cluster.client([cluster.addressOf(id)]);
  const listed = await client.listMembers();
  client.close();
  return listed.ok ? listed.value.members.map(({ nodeId }) => nodeId) : [];
}

async function jobIds(): Promise<readonly string[]> {
  const client = cluster.client();
  const ids = (await listAll(client)).map(({ id }) => id).sort();
  client.close();
  return ids;
}
