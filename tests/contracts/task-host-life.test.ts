import { afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { AttemptId } from "../../engine/lib/ids.ts";
import type { DriverChoice } from "../../engine/lib/job-spec.ts";
import type { OutputChunk, OutputReader } from "../../engine/platform/output-reader.ts";
import { isMissing } from "../support/requirements.ts";
import { commandLines } from "./process-list.ts";
import { Agent, taskRequest } from "./task-host.ts";
import { HostLab } from "./task-host-lab.ts";

// Real processes and containers, on machines that do much else.
setDefaultTimeout(30_000);

/** What only the real task host can show: real processes, files, crashes. */

const labs: HostLab[] = [];
afterEach(async () => {
  for (const lab of labs.splice(0)) await lab.tearDown();
});

async function world(driver: DriverChoice = "process", options = {}) {
  const lab = new HostLab(driver, options);
  labs.push(lab);
  const client = lab.connect();
  const agent = new Agent({ ...labWorld(lab), connect: () => client });
  await agent.listed();
  agent.renew();
  return { lab, agent, client };
}

/** A new agent, and with it a new host if the last one is gone. */
async function again(lab: HostLab) {
  const client = lab.connect();
  const agent = new Agent({ ...labWorld(lab), connect: () => client });
  await agent.listed();
  return { agent, client };
}

const labWorld = (lab: HostLab) => ({
  bootMillis: () => lab.bootMillis(),
  until: (holds: () => boolean) => lab.until(holds),
  exits: (code: number) => lab.exits(code),
  runsOn: lab.runsOn,
  tearDown: () => lab.tearDown(),
});

const sh = (script: string) => ["sh", "-c", script];

async function readAll(
  reader: OutputReader,
  attemptId: AttemptId,
  options: {
    readonly follow?: boolean;
    readonly tailBytes?: number;
    readonly offset?: number;
  } = {},
): Promise<readonly OutputChunk[]> {
  const chunks: OutputChunk[] = [];
  const { signal } = new AbortController();
  const request = { attemptId, offset: 0, tailBytes: 0, follow: false, signal, ...options };
  for await (const chunk of reader.read(request)) chunks.push(chunk);
  return chunks;
}

const text = (chunks: readonly OutputChunk[]): string =>
  chunks.map(({ data }) => new TextDecoder().decode(data)).join("");

let sleepCount = 0;
const uniqueSleep = (): string => {
  sleepCount += 1;
  return `${2000 + sleepCount}.${process.pid}`;
};

const isRunning = (sleep: string): boolean => commandLines().some((line) => line.includes(sleep));

describe("an agent that is killed", () => {
  test("tasks go on, and their output is complete", async () => {
    const lab = new HostLab("process");
    labs.push(lab);
    const id = "agentkilled0.1" as AttemptId;
    const script = "for i in 1 2 3 4 5 6 7 8; do echo line $i; sleep 0.1; done; exit 6";
    const agentScript = join(import.meta.dir, "task-host-agent.ts");
    const killed = Bun.spawn([process.execPath, agentScript, lab.folder, id, script], {
      stdout: "pipe",
      stderr: "inherit",
    });
    for await (const bytes of killed.stdout) {
      if (new TextDecoder().decode(bytes).includes("running")) break;
    }
    const hostPid = lab.hostPid();

    killed.kill("SIGKILL");
    await killed.exited;

    const { agent, client } = await again(lab);
    const { exitCode, stdoutBytes } = await agent.phase(id, "exited");
    expect(exitCode).toBe(6);
    expect(lab.hostPid()).toBe(hostPid);
    const output = text(await readAll(client, id));
    expect(output).toBe([1, 2, 3, 4, 5, 6, 7, 8].map((i) => `line ${i}\n`).join(""));
    expect(stdoutBytes).toBe(output.length);
  });

  test("the lease still ends what the cluster may run again", async () => {
    const { lab, agent } = await world();
    const sleep = uniqueSleep();
    const request = taskRequest(sh(`trap '' TERM; sleep ${sleep}; sleep ${sleep}`));
    const lease = { termAfterMillis: 1000, killAfterMillis: 1600 };
    agent.renew({ ...lease, sentAtBootMillis: lab.bootMillis() + 100 });
    await agent.start(request);
    await agent.phase(request.attemptId, "running");
    const sentAt = lab.bootMillis();

    agent.disconnect();
    await lab.until(() => !isRunning(sleep));

    expect(lab.bootMillis() - sentAt).toBeLessThan(1600 + 500);
    const next = await again(lab);
    const { end, signal } = await next.agent.phase(request.attemptId, "exited");
    expect({ end, signal }).toEqual({ end: "lease-lost", signal: "SIGKILL" });
  });
});

describe("a host that is killed", () => {
  test("its processes die with it, and the next host says so and starts none again", async () => {
    const { lab, agent, client } = await world();
    const sleep = uniqueSleep();
    const request = taskRequest(sh(`echo before; setsid sleep ${sleep} & sleep ${sleep}`));
    await agent.start(request);
    await agent.phase(request.attemptId, "running");
    await lab.until(() => isRunning(sleep));
    // What the host has not read yet dies with it: kill it once the line has arrived.
    while (text(await readAll(client, request.attemptId)) === "") await Bun.sleep(5);
    agent.disconnect();

    await lab.killHost();
    await lab.until(() => !isRunning(sleep));

    const next = await again(lab);
    const { end, outputAtLeast } = await next.agent.phase(request.attemptId, "exited");
    expect({ end, outputAtLeast }).toEqual({ end: "agent-fault", outputAtLeast: true });
    expect(text(await readAll(next.client, request.attemptId))).toBe("before\n");
    next.agent.renew();
    expect((await next.agent.start(request)).ok).toBe(true);
    await lab.until(() => !isRunning(sleep));
    expect(next.agent.tasks.get(request.attemptId)?.end).toBe("agent-fault");
  });

  test("without a sandbox the next host ends what was left", async () => {
    const { lab, agent } = await world("plain");
    const sleep = uniqueSleep();
    const request = taskRequest(sh(`setsid sleep ${sleep} & sleep ${sleep}`));
    await agent.start(request);
    await lab.until(() => isRunning(sleep));
    agent.disconnect();

    await lab.killHost();
    const next = await again(lab);

    expect((await next.agent.phase(request.attemptId, "exited")).end).toBe("agent-fault");
    expect(isRunning(sleep)).toBe(false);
  });

  test("the agent starts another one by itself", async () => {
    const { lab, agent } = await world();

    await lab.killHost();

    await lab.until(() => agent.events.filter(({ kind }) => kind === "listed").length === 2);
    const kinds = agent.events.map(({ kind }) => kind);
    expect(kinds).toEqual(["connected", "listed", "disconnected", "connected", "listed"]);
  });

  test("a finished task is remembered with its result and its output", async () => {
    const { lab, agent } = await world();
    const request = taskRequest(sh("echo kept; exit 9"));
    await agent.start(request);
    const before = await agent.phase(request.attemptId, "exited");
    agent.disconnect();

    await lab.killHost();
    const next = await again(lab);

    expect(next.agent.tasks.get(request.attemptId)).toEqual(before);
    expect(text(await readAll(next.client, request.attemptId))).toBe("kept\n");
  });
});

if (!isMissing("docker")) {
  describe("a host that is killed while containers run", () => {
    test("the next host goes on with them, output and all", async () => {
      const { lab, agent } = await world("docker");
      const request = taskRequest(sh("echo one; sleep 1.5; echo two >&2; sleep 0.5; exit 5"));
      await agent.start(request);
      await agent.phase(request.attemptId, "running");
      agent.disconnect();

      await lab.killHost();
      const next = await again(lab);
      next.agent.renew();

      const status = await next.agent.phase(request.attemptId, "exited");
      expect(status).toMatchObject({ end: "exited", exitCode: 5, outputAtLeast: true });
      expect(text(await readAll(next.client, request.attemptId))).toBe("one\ntwo\n");
    });

    test("a lease that ran out meanwhile ends them", async () => {
      const { lab, agent } = await world("docker");
      const request = taskRequest(["sleep", "600"]);
      await agent.start(request);
      await agent.phase(request.attemptId, "running");
      const lease = { termAfterMillis: 200, killAfterMillis: 400 };
      agent.renew({ ...lease, sentAtBootMillis: lab.bootMillis() + 1 });
      const leaseFile = join(lab.folder, "lease.json");
      await lab.until(() => readFileSync(leaseFile, "utf8").includes('"termAfterMillis":200'));
      agent.disconnect();

      await lab.killHost();
      const next = await again(lab);

      expect((await next.agent.phase(request.attemptId, "exited")).end).toBe("lease-lost");
    });

    test("an image that is not there ends the attempt with the way to get it", async () => {
      const { agent } = await world("docker");
      const request = taskRequest(["true"], { image: "nl-test/no-such-image:1" });
      await agent.start(request);

      const { end, detail } = await agent.phase(request.attemptId, "exited");

      expect(end).toBe("no-image");
      expect(detail).toContain("docker pull nl-test/no-such-image:1");
    });
  });
}

describe("a task host", () => {
  test("ends a task that runs too long, hard if it must", async () => {
    const { agent } = await world();
    const limits = { timeoutMillis: 300, killGraceMillis: 300 };
    const soft = taskRequest(sh("trap 'exit 0' TERM; sleep 60 & wait"), limits);
    const hard = taskRequest(sh("trap '' TERM; sleep 60; sleep 60"), limits);
    await agent.start(soft);
    await agent.start(hard);

    const softEnd = await agent.phase(soft.attemptId, "exited");
    const hardEnd = await agent.phase(hard.attemptId, "exited");

    expect(softEnd).toMatchObject({ end: "timeout", exitCode: 0 });
    expect(hardEnd).toMatchObject({ end: "timeout", signal: "SIGKILL" });
  });

  test("never falls back for a job that names an image", async () => {
    const { agent } = await world("process");
    const request = taskRequest(["true"], { image: "alpine:latest" });
    await agent.start(request);

    expect((await agent.phase(request.attemptId, "exited")).end).toBe("no-docker");
  });

  test("streams output while it is written, and from any place", async () => {
    const { agent, client } = await world();
    const request = taskRequest(sh("echo first; sleep 0.3; echo second"));
    await agent.start(request);
    await agent.phase(request.attemptId, "running");

    const followed = await readAll(client, request.attemptId, { follow: true });
    const tail = await readAll(client, request.attemptId, { tailBytes: 4 });
    const resumed = await readAll(client, request.attemptId, { offset: 6 });

    expect(text(followed)).toBe("first\nsecond\n");
    expect(followed.at(-1)).toMatchObject({ complete: true, offset: 13 });
    expect(text(tail)).toBe("ond\n");
    expect(text(resumed)).toBe("second\n");
  });

  test("keeps head and tail of 200 MB, counts all of it and stays small", async () => {
    const { lab, agent, client } = await world();
    const request = taskRequest(sh("echo begin; head -c 200000000 /dev/zero; echo end"));
    await agent.start(request);

    const { stdoutBytes } = await agent.phase(request.attemptId, "exited");

    expect(stdoutBytes).toBe(200_000_010);
    const chunks = await readAll(client, request.attemptId);
    const [output, skipped] = [text(chunks), chunks.reduce((sum, it) => sum + it.skippedBytes, 0)];
    expect([output.slice(0, 6), output.slice(-4)]).toEqual(["begin\n", "end\n"]);
    expect(output.length + skipped).toBe(200_000_010);
    const folder = join(lab.folder, "tasks", request.attemptId, "output");
    const kept = readdirSync(folder).reduce((sum, it) => sum + statSync(join(folder, it)).size, 0);
    expect(kept).toBeLessThan(1024 * 1024);
    const memory = readFileSync(`/proc/${lab.hostPid()}/status`, "latin1");
    const peakKib = Number(/^VmHWM:\s+(\d+)/m.exec(memory)?.[1]);
    expect(peakKib).toBeLessThan(160 * 1024);
  });

  test("tells who asks for the output of an unknown attempt", async () => {
    const { client } = await world();

    expect(readAll(client, "nobodyknows0.1" as AttemptId)).rejects.toThrow("no output");
  });

  test("serves a folder whose path is longer than a socket's may be", async () => {
    const { lab, agent } = await world("process", { folderName: "long-".repeat(30) });
    const request = taskRequest(lab.exits(0));

    await agent.start(request);

    expect((await agent.phase(request.attemptId, "exited")).exitCode).toBe(0);
  });

  test("lets only its own user near its socket and its files", async () => {
    const { lab } = await world();

    const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);

    expect(mode(lab.folder)).toBe("700");
    expect(mode(join(lab.folder, "task-host.sock"))).toBe("600");
    expect(mode(join(lab.folder, "task-host.lock"))).toBe("600");
  });

  test("a second one for the same folder goes away", async () => {
    const { lab } = await world();
    const first = lab.hostPid();
    const script = join(import.meta.dir, "task-host-process.ts");

    const second = Bun.spawn([process.execPath, script, lab.folder, "process", "60000"]);

    expect(await second.exited).toBe(0);
    expect(lab.hostPid()).toBe(first);
  });

  test("without tasks and without an agent it ends", async () => {
    const { lab, agent } = await world("process", { idleMillis: 1500 });

    agent.disconnect();

    await lab.until(() => lab.hostPid() === null);
  });

  test("does not end while a task runs", async () => {
    const { lab, agent } = await world("process", { idleMillis: 1500 });
    const request = taskRequest(sh("sleep 3; echo done"));
    await agent.start(request);
    await agent.phase(request.attemptId, "running");
    agent.disconnect();

    await lab.until(() => lab.hostPid() === null);

    const next = await again(lab);
    expect(next.agent.tasks.get(request.attemptId)).toMatchObject({ end: "exited", exitCode: 0 });
  });

  test("told to end, it ends its tasks first and tells of them later", async () => {
    const { lab, agent, client } = await world();
    const sleep = uniqueSleep();
    const request = taskRequest(["sleep", sleep]);
    await agent.start(request);
    await agent.phase(request.attemptId, "running");
    const pid = lab.hostPid();
    const gentle = { killTasks: false, graceMillis: 0 };

    const refused = await new Promise((done) => client.shutdown(gentle, done));
    const ended = await new Promise((done) =>
      client.shutdown({ killTasks: true, graceMillis: 500 }, done),
    );

    expect(refused).toMatchObject({ ok: false, error: { kind: "refused" } });
    expect(ended).toMatchObject({ ok: true });
    expect(isRunning(sleep)).toBe(false);
    // The agent is still there, so there is another host soon.
    await lab.until(() => ![null, pid].includes(lab.hostPid()));
    await lab.until(() => agent.events.at(-1)?.kind === "listed");
    expect(agent.tasks.get(request.attemptId)?.end).toBe("drained");
  });
});
