import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AttemptId, UnixMillis } from "../lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../lib/job-spec.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { DriverLadder } from "./driver-ladder.ts";
import { TaskOutput } from "./output/task-output.ts";
import { Task } from "./task.ts";
import type { RunningTask, StartFailure, TaskDriver, TaskExit } from "./task-driver.ts";

/** The races of one task, with a driver that does what the test says. */

const EXITED: TaskExit = {
  ...{ exitCode: 0, signal: "", oomKilled: false, peakMemoryBytes: 0, lostDetail: "" },
};

class FakeRunning implements RunningTask {
  readonly pid = 1;
  readonly outputAtLeast = false;
  readonly signals: string[] = [];
  readonly exited: Promise<TaskExit>;
  isAlive = true;
  exit: (exit: Partial<TaskExit>) => void = () => undefined;

  constructor() {
    const { promise, resolve } = Promise.withResolvers<TaskExit>();
    this.exited = promise;
    this.exit = (exit) => {
      this.isAlive = false;
      resolve({ ...EXITED, ...exit });
    };
  }

  async terminate(): Promise<boolean> {
    this.signals.push("TERM");
    return this.isAlive;
  }

  async kill(): Promise<boolean> {
    const wasAlive = this.isAlive;
    this.signals.push("KILL");
    if (wasAlive) this.exit({ exitCode: 137, signal: "SIGKILL" });
    return wasAlive;
  }
}

/** Starts when told to, unless the gate is shut by then. */
class FakeDriver implements TaskDriver {
  readonly name = "plain";
  readonly running = new FakeRunning();
  readonly asked = Promise.withResolvers<void>();
  readonly #go = Promise.withResolvers<void>();

  go(): void {
    this.#go.resolve();
  }

  async probe() {
    const status = { name: this.name, usable: true, detail: "", limits: [] } as const;
    return { status, runsUnnamed: true };
  }

  async start(
    _launch: unknown,
    gate: { readonly mayStart: () => boolean; readonly signal: AbortSignal },
  ): Promise<Result<RunningTask, StartFailure>> {
    this.asked.resolve();
    const aborted = new Promise<void>((resolve) =>
      gate.signal.addEventListener("abort", () => resolve()),
    );
    await Promise.race([this.#go.promise, aborted]);
    if (gate.signal.aborted || !gate.mayStart()) return err({ kind: "aborted", detail: "" });
    return ok(this.running);
  }

  async adopt() {
    return null;
  }
  async remove() {}
  async sweep() {}
}

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "nl-task-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function create(spec: Partial<JobSpec> = {}, world: { readonly leaseHolds?: () => boolean } = {}) {
  const driver = new FakeDriver();
  const task = new Task({
    request: {
      attemptId: "testtesttest.1" as AttemptId,
      fence: 1,
      clusterId: "c",
      spec: { ...SPEC_DEFAULTS, name: "", command: ["x"], image: "", env: {}, labels: {}, ...spec },
    },
    folder,
    output: new TaskOutput(folder, 1024),
    world: {
      ladder: new DriverLadder([driver], { choice: "plain", plainAllowed: true }),
      now: () => Date.now() as UnixMillis,
      leaseHolds: world.leaseHolds ?? (() => true),
      onStarted: () => undefined,
      onChange: () => undefined,
      onEnd: async () => undefined,
    },
  });
  const run = task.run();
  return { task, driver, running: driver.running, run };
}

async function started(spec: Partial<JobSpec> = {}) {
  const parts = create({ driver: "plain", ...spec });
  parts.driver.go();
  while (parts.task.status.phase !== "running") await Promise.resolve();
  return parts;
}

test("an exit before the first signal is the task's own", async () => {
  const { task, running, run } = await started();

  running.isAlive = false;
  task.stop("cancelled", 1000);
  running.exit({ exitCode: 4 });

  await run;
  expect(task.status).toMatchObject({ end: "exited", exitCode: 4, phase: "exited" });
});

test("an exit after the signal is nl's doing, whatever the code", async () => {
  const { task, running, run } = await started();

  task.stop("cancelled", 1000);
  running.exit({ exitCode: 0 });

  await run;
  expect(task.status).toMatchObject({ end: "cancelled", exitCode: 0 });
  expect(running.signals).toEqual(["TERM"]);
});

test("KILL follows TERM after the grace", async () => {
  const { task, running, run } = await started();

  task.stop("drain", 20);

  await run;
  expect(running.signals).toEqual(["TERM", "KILL"]);
  expect(task.status).toMatchObject({ end: "drained", signal: "SIGKILL" });
});

test("a stricter stop brings the kill forward and keeps the first reason", async () => {
  const { task, run } = await started();

  task.stop("cancelled", 60_000);
  task.stop("lease", 10);

  await run;
  expect(task.status.end).toBe("cancelled");
});

test("a stop before the start means that nothing starts", async () => {
  const { task, driver, run } = create({ driver: "plain" });
  await driver.asked.promise;

  task.stop("cancelled", 1000);

  await run;
  expect(task.status).toMatchObject({ end: "cancelled", startedAt: null, exitCode: null });
});

test("what took too long to start is not started any more", async () => {
  const { task, run } = create({ driver: "plain", startTimeoutMillis: 20 });

  await run;

  expect(task.status).toMatchObject({ end: "start-timeout", startedAt: null });
  expect(task.status.detail).toContain("0.02 s");
});

test("a lease that is gone at the last moment keeps the gate shut", async () => {
  const { task, driver, run } = create({ driver: "plain" }, { leaseHolds: () => false });

  driver.go();

  await run;
  expect(task.status).toMatchObject({ end: "lease-lost", startedAt: null });
});

test("the time-out counts from the start", async () => {
  const { task, running, run } = await started({ timeoutMillis: 30, killGraceMillis: 10 });

  await run;

  expect(task.status).toMatchObject({ end: "timeout", signal: "SIGKILL" });
  expect(running.signals).toEqual(["TERM", "KILL"]);
});

test("a driver that is refused by configuration ends the attempt with a sentence", async () => {
  const { task, run } = create({ driver: "docker" });

  await run;

  expect(task.status.end).toBe("no-docker");
  expect(task.status.detail).toContain("configured");
});

test("a signal that cannot be sent is no reason to give up the task", async () => {
  const { task, running, run } = await started();
  running.terminate = () => Promise.reject(new Error("too many open files"));

  task.stop("cancelled", 20);

  await run;
  expect(task.status).toMatchObject({ end: "cancelled", signal: "SIGKILL" });
});
