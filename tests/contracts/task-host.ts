import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { type AttemptId, attemptId, type JobId } from "../../engine/lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../../engine/lib/job-spec.ts";
import type { Result } from "../../engine/lib/result.ts";
import type {
  Lease,
  StopReason,
  TaskHost,
  TaskHostError,
  TaskHostEvent,
  TaskRequest,
  TaskStatus,
} from "../../engine/platform/task-host.ts";

/** A task host and what a test needs around it; one for each test. */
export type TaskHostWorld = {
  /** A connection of a new agent to the host. */
  connect(): TaskHost;
  /** On the host's clock that counts suspend. */
  bootMillis(): number;
  /** Lets time pass until it holds; rejects after a while. */
  until(holds: () => boolean): Promise<void>;
  /** A command that ends by itself with this code, soon. */
  readonly exits: (code: number) => readonly string[];
  /** A command that runs until it is stopped. */
  readonly runsOn: readonly string[];
  tearDown(): Promise<void>;
};

/** One agent's view of its task host. */
export class Agent {
  readonly events: TaskHostEvent[] = [];
  readonly tasks = new Map<AttemptId, TaskStatus>();
  readonly #host: TaskHost;
  readonly #world: TaskHostWorld;

  constructor(world: TaskHostWorld) {
    this.#world = world;
    this.#host = world.connect();
    this.#host.start((event) => {
      this.events.push(event);
      if (event.kind === "task") this.tasks.set(event.task.attemptId, event.task);
    });
  }

  listed(): Promise<void> {
    return this.#world.until(() => this.events.some(({ kind }) => kind === "listed"));
  }

  start(request: TaskRequest): Promise<Result<void, TaskHostError>> {
    return new Promise((done) => this.#host.startTask(request, done));
  }

  stop(
    id: AttemptId,
    reason: StopReason,
    graceMillis = 1000,
  ): Promise<Result<void, TaskHostError>> {
    const stop = { attemptId: id, reason, graceMillis };
    return new Promise((done) => this.#host.stopTask(stop, done));
  }

  remove(id: AttemptId): Promise<Result<void, TaskHostError>> {
    return new Promise((done) => this.#host.removeTask(id, done));
  }

  renew(lease: Partial<Lease> = {}): void {
    const sentAtBootMillis = this.#world.bootMillis();
    this.#host.renewLease({
      ...{ sentAtBootMillis, termAfterMillis: 15_000, killAfterMillis: 25_000 },
      ...lease,
    });
  }

  async phase(id: AttemptId, phase: TaskStatus["phase"]): Promise<TaskStatus> {
    await this.#world.until(() => this.tasks.get(id)?.phase === phase);
    const task = this.tasks.get(id);
    if (task === undefined) throw new Error("the task was just there");
    return task;
  }

  disconnect(): void {
    this.#host.stop();
  }
}

let requestCount = 0;

export function taskRequest(
  command: readonly string[],
  spec: Partial<JobSpec> = {},
): TaskRequest & { readonly attemptId: AttemptId } {
  requestCount += 1;
  const jobId = `host${`${process.pid}`.padStart(8, "0").slice(-8)}` as JobId;
  return {
    attemptId: attemptId(jobId, requestCount),
    fence: requestCount,
    clusterId: "testcluster",
    spec: { ...SPEC_DEFAULTS, name: "", image: "", env: {}, labels: {}, ...spec, command },
  };
}

/** What every task host promises (`engine/platform/task-host.ts`). */
export function taskHostContract(name: string, create: () => Promise<TaskHostWorld>): void {
  describe(`the ${name} task host`, () => {
    let world: TaskHostWorld;
    let agent: Agent;
    beforeEach(async () => {
      world = await create();
      agent = new Agent(world);
      await agent.listed();
    });
    afterEach(async () => {
      agent.disconnect();
      await world.tearDown();
    });
    const inWorld = () => ({ world, agent });

    runsTasks(inWorld);
    stopsTasks(inWorld);
    fences(inWorld);
    tellsAgents(inWorld);
  });
}

type InWorld = () => { readonly world: TaskHostWorld; readonly agent: Agent };

function runsTasks(inWorld: InWorld): void {
  test("runs a task to its own end", async () => {
    const { world, agent } = inWorld();
    const request = taskRequest(world.exits(3));
    agent.renew();

    const accepted = await agent.start(request);

    expect(accepted.ok).toBe(true);
    const { end, exitCode, fence, startedAt, finishedAt } = await agent.phase(
      request.attemptId,
      "exited",
    );
    expect({ end, exitCode, fence }).toEqual({ end: "exited", exitCode: 3, fence: request.fence });
    expect(finishedAt ?? 0).toBeGreaterThanOrEqual(startedAt ?? Number.POSITIVE_INFINITY);
  });

  test("to start an attempt again changes nothing, before and after its end", async () => {
    const { world, agent } = inWorld();
    const request = taskRequest(world.exits(3));
    agent.renew();

    await agent.start(request);
    const again = await agent.start(request);
    const first = await agent.phase(request.attemptId, "exited");
    const later = await agent.start(request);
    const other = taskRequest(world.exits(0));
    await agent.start(other);
    await agent.phase(other.attemptId, "exited");

    expect([again.ok, later.ok]).toEqual([true, true]);
    expect(agent.tasks.get(request.attemptId)).toEqual(first);
  });

  test("forgets a finished task when told to", async () => {
    const { world, agent } = inWorld();
    const request = taskRequest(world.exits(0));
    agent.renew();
    await agent.start(request);
    await agent.phase(request.attemptId, "exited");

    expect((await agent.remove(request.attemptId)).ok).toBe(true);
    expect((await agent.remove(request.attemptId)).ok).toBe(true);

    const later = new Agent(world);
    await later.listed();
    expect(later.tasks.has(request.attemptId)).toBe(false);
    later.disconnect();
  });
}

function stopsTasks(inWorld: InWorld): void {
  test.each([
    ["cancelled", "cancelled"],
    ["drain", "drained"],
    ["lease", "lease-lost"],
  ] as const)("a task stopped with the reason %s ends as %s", async (reason, end) => {
    const { world, agent } = inWorld();
    const request = taskRequest(world.runsOn);
    agent.renew();
    await agent.start(request);
    await agent.phase(request.attemptId, "running");

    expect((await agent.stop(request.attemptId, reason)).ok).toBe(true);

    expect((await agent.phase(request.attemptId, "exited")).end).toBe(end);
  });

  test("a task that is not there, or has ended, counts as stopped", async () => {
    const { world, agent } = inWorld();
    const request = taskRequest(world.exits(0));
    agent.renew();
    await agent.start(request);
    await agent.phase(request.attemptId, "exited");

    const ended = await agent.stop(request.attemptId, "cancelled");
    const unknown = await agent.stop("nobodyknows0.1" as AttemptId, "cancelled");

    expect([ended.ok, unknown.ok]).toEqual([true, true]);
    expect(agent.tasks.get(request.attemptId)?.end).toBe("exited");
  });

  test("the first reason stays", async () => {
    const { world, agent } = inWorld();
    const request = taskRequest(world.runsOn);
    agent.renew();
    await agent.start(request);
    await agent.phase(request.attemptId, "running");

    await agent.stop(request.attemptId, "cancelled");
    await agent.stop(request.attemptId, "drain", 0);

    expect((await agent.phase(request.attemptId, "exited")).end).toBe("cancelled");
  });
}

/** Tenths of the real times. */
const SHORT = { termAfterMillis: 1500, killAfterMillis: 2500 };

function fences(inWorld: InWorld): void {
  test("refuses to start without a lease", async () => {
    const { world, agent } = inWorld();
    const request = taskRequest(world.exits(0));

    const refused = await agent.start(request);

    expect(refused).toMatchObject({ ok: false, error: { kind: "refused" } });
    agent.renew();
    expect((await agent.start(request)).ok).toBe(true);
  });

  test("refuses to start when the lease has run out", async () => {
    const { world, agent } = inWorld();
    agent.renew({ ...SHORT, sentAtBootMillis: world.bootMillis() - 2000 });

    const refused = await agent.start(taskRequest(world.exits(0)));

    expect(refused).toMatchObject({ ok: false, error: { kind: "refused" } });
  });

  test("ends what the cluster may run again when the lease runs out, and nothing else", async () => {
    const { world, agent } = inWorld();
    const rerun = taskRequest(world.runsOn, { onLost: "rerun" });
    const wait = taskRequest(world.runsOn, { onLost: "wait" });
    const sentAt = world.bootMillis();
    agent.renew({ ...SHORT, sentAtBootMillis: sentAt });
    await agent.start(rerun);
    await agent.start(wait);

    const { end } = await agent.phase(rerun.attemptId, "exited");

    expect(end).toBe("lease-lost");
    expect(world.bootMillis()).toBeGreaterThanOrEqual(sentAt + SHORT.termAfterMillis);
    expect(world.bootMillis()).toBeLessThan(sentAt + SHORT.killAfterMillis + 500);
    expect(agent.tasks.get(wait.attemptId)?.phase).toBe("running");
  });

  test("a lease that is renewed in time ends nothing", async () => {
    const { world, agent } = inWorld();
    const request = taskRequest(world.runsOn);
    const sentAt = world.bootMillis();
    agent.renew({ ...SHORT, sentAtBootMillis: sentAt });
    await agent.start(request);
    await agent.phase(request.attemptId, "running");

    agent.renew({ ...SHORT, sentAtBootMillis: world.bootMillis() + 1000 });
    // An older answer that comes late must not shorten it.
    agent.renew({ ...SHORT, sentAtBootMillis: sentAt - 1000 });
    await world.until(() => world.bootMillis() > sentAt + SHORT.termAfterMillis + 200);

    expect(agent.tasks.get(request.attemptId)?.phase).toBe("running");
  });
}

function tellsAgents(inWorld: InWorld): void {
  test("tasks outlive their agent, and the next one is told of each", async () => {
    const { world, agent } = inWorld();
    const [running, finished] = [taskRequest(world.runsOn), taskRequest(world.exits(5))];
    agent.renew();
    await agent.start(running);
    await agent.start(finished);
    await agent.phase(running.attemptId, "running");
    await agent.phase(finished.attemptId, "exited");
    agent.disconnect();

    const next = new Agent(world);
    await next.listed();

    const kinds = next.events.map(({ kind }) => kind);
    expect(kinds).toEqual(["connected", "task", "task", "listed"]);
    expect(next.tasks.get(running.attemptId)?.phase).toBe("running");
    expect(next.tasks.get(finished.attemptId)).toMatchObject({ phase: "exited", exitCode: 5 });
    next.disconnect();
  });
}
