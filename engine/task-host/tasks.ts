import { mkdirSync } from "node:fs";
import { rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { AttemptId, UnixMillis } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type {
  Lease,
  StopReason,
  TaskHostError,
  TaskRequest,
  TaskStatus,
} from "../platform/task-host.ts";
import type { DriverLadder } from "./driver-ladder.ts";
import type { Journal, JournalledTask } from "./journal.ts";
import type { LeaseFile } from "./lease-file.ts";
import { LeaseGuard } from "./lease-guard.ts";
import { Leftovers } from "./leftovers.ts";
import { TaskOutput } from "./output/task-output.ts";
import { Task, type TaskWorld } from "./task.ts";
import type { RunningTask, TaskDriver } from "./task-driver.ts";

const RETRY_MILLIS = 1000;

type Entry =
  | { readonly kind: "live"; readonly task: Task }
  | { readonly kind: "finished"; readonly status: TaskStatus };

type Options = {
  readonly folder: string;
  readonly journal: Journal;
  readonly ladder: DriverLadder;
  readonly leaseFile: LeaseFile;
  /** False while new output of tasks is only counted, not kept. */
  readonly hasRoom: () => boolean;
};

/** Every task of this machine, live or finished and not yet removed. */
export class Tasks {
  readonly #options: Options;
  readonly #entries = new Map<AttemptId, Entry>();
  readonly #listeners = new Set<(status: TaskStatus) => void>();
  readonly #leftovers = new Leftovers();
  readonly #lease: LeaseGuard;

  constructor(options: Options) {
    this.#options = options;
    this.#lease = new LeaseGuard({
      file: options.leaseFile,
      fenced: () => this.#live().filter(({ request }) => request.spec.onLost === "rerun"),
    });
  }

  get liveCount(): number {
    return this.#live().length;
  }

  list(): readonly TaskStatus[] {
    return [...this.#entries.values()].map((entry) =>
      entry.kind === "live" ? entry.task.status : entry.status,
    );
  }

  /** Called with every change of a task. Returns the cancellation. */
  listen(onChange: (status: TaskStatus) => void): () => void {
    this.#listeners.add(onChange);
    return () => this.#listeners.delete(onChange);
  }

  /** Done = the intent is on disk. To start an attempt that is known changes nothing. */
  async start(request: TaskRequest): Promise<Result<void, TaskHostError>> {
    const known = this.#entries.get(request.attemptId);
    if (known !== undefined) return sameFence(known, request);
    if (!this.#lease.holds()) return err(refused("the lease of this node does not hold"));
    const created = this.#tryCreate(request);
    if (!created.ok) return created;
    const task = created.value;
    const { journal } = this.#options;
    const at = Date.now() as UnixMillis;
    if (!(await journal.append({ kind: "intent", request, at }))) {
      journal.tasks.delete(request.attemptId);
      this.#entries.delete(request.attemptId);
      return err(refused("the journal of this node's tasks cannot be written: is its disk full?"));
    }
    this.#tell(task.status);
    void task.run();
    this.#lease.enforce();
    return ok(undefined);
  }

  /** A task that is not there, or has ended, counts as stopped. */
  stop(stop: {
    readonly attemptId: AttemptId;
    readonly graceMillis: number;
    readonly reason: StopReason;
  }): Result<void, TaskHostError> {
    const entry = this.#entries.get(stop.attemptId);
    if (entry?.kind !== "live") return ok(undefined);
    if (stop.reason === "unknown" && !this.#lease.holds()) {
      return err(refused("without a lease this node cannot know what the cluster knows"));
    }
    entry.task.stop(stop.reason, stop.graceMillis);
    return ok(undefined);
  }

  async remove(attemptId: AttemptId): Promise<Result<void, TaskHostError>> {
    const entry = this.#entries.get(attemptId);
    if (entry === undefined) return ok(undefined);
    if (entry.kind === "live") return err(refused("the task has not ended"));
    if (!(await this.#options.journal.append({ kind: "removed", attemptId }))) {
      return err(refused("the journal of this node's tasks cannot be written: is its disk full?"));
    }
    this.#entries.delete(attemptId);
    await rm(this.#folderOf(attemptId), { recursive: true, force: true });
    return ok(undefined);
  }

  renew(lease: Lease): void {
    this.#lease.renew(lease);
  }

  /** Null: this host does not know the attempt. */
  output(attemptId: AttemptId): TaskOutput | null {
    const entry = this.#entries.get(attemptId);
    if (entry === undefined) return null;
    if (entry.kind === "live") return entry.task.output;
    const output = new TaskOutput(join(this.#folderOf(attemptId), "output"), 0);
    output.recover(entry.status.stdoutBytes + entry.status.stderrBytes);
    output.complete();
    return output;
  }

  /** Takes over from the host before: reports what died with it, goes on with what did not. */
  recover(): void {
    const { journal, ladder } = this.#options;
    for (const [attemptId, known] of journal.tasks) {
      if (known.kind === "finished") this.#entries.set(attemptId, known);
      else this.#adopt(known);
    }
    for (const driver of ladder.allowed()) void this.#sweep(driver);
    this.#lease.enforce();
  }

  /** Ends every task and resolves when their ends are durable. */
  async stopAll(graceMillisMax: number): Promise<void> {
    const live = this.#live();
    for (const task of live) {
      task.stop("shutdown", Math.min(graceMillisMax, task.request.spec.killGraceMillis));
    }
    await Promise.all(live.map(({ ended }) => ended));
    await this.#leftovers.removeNow();
  }

  #live(): readonly Task[] {
    const live: Task[] = [];
    for (const entry of this.#entries.values()) if (entry.kind === "live") live.push(entry.task);
    return live;
  }

  /** Refused, not failed: the agent must know that there is nothing here to wait for. */
  #tryCreate(request: TaskRequest): Result<Task, TaskHostError> {
    try {
      return ok(this.#create(request));
    } catch (error) {
      return err(refused(`the folder of the task cannot be made: ${String(error)}`));
    }
  }

  #create(request: TaskRequest): Task {
    const folder = this.#folderOf(request.attemptId);
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const keepBytes = request.spec.outputKeepBytes;
    const output = new TaskOutput(join(folder, "output"), keepBytes, this.#options.hasRoom);
    const task: Task = new Task({ request, folder, output, world: this.#worldOf(() => task) });
    this.#entries.set(request.attemptId, { kind: "live", task });
    return task;
  }

  #worldOf(task: () => Task): TaskWorld {
    const { ladder, journal } = this.#options;
    return {
      ladder,
      now: () => Date.now() as UnixMillis,
      leaseHolds: () => this.#lease.holds(),
      onStarted: (attemptId, driver, at) =>
        void journal.append({ kind: "started", attemptId, driver, at }),
      onChange: () => this.#tell(task().status),
      onEnd: (status) => this.#onEnd(status),
    };
  }

  async #onEnd(status: TaskStatus): Promise<void> {
    while (!(await this.#options.journal.append({ kind: "exit", status }))) {
      await Bun.sleep(RETRY_MILLIS);
    }
    this.#entries.set(status.attemptId, { kind: "finished", status });
    const driver = this.#options.ladder.driver(status.driver);
    if (driver !== null) this.#leftovers.removeSoon(driver, status.attemptId);
  }

  #tell(status: TaskStatus): void {
    for (const listener of this.#listeners) listener(status);
  }

  #adopt(known: Extract<JournalledTask, { kind: "unfinished" }>): void {
    const task = this.#create(known.request);
    task.output.recover();
    const startedAt = known.started?.at ?? known.acceptedAt;
    const resume = async (): Promise<void> => {
      const { running, driver } = await this.#findRunning(task, known.started?.driver ?? null);
      await task.resume(running, driver, startedAt);
    };
    void resume();
  }

  /** Without a record of its driver every driver is asked: the crash came in between. */
  async #findRunning(
    task: Task,
    driverName: string | null,
  ): Promise<{ readonly running: RunningTask | null; readonly driver: string }> {
    const { ladder } = this.#options;
    const lastOutputAt = await newestWrite(join(this.#folderOf(task.request.attemptId), "output"));
    const before = { delivered: task.output.totals, lastOutputAt };
    const candidates = ladder
      .all()
      .filter(({ name }) => driverName === null || name === driverName);
    for (const driver of candidates) {
      const running = await insist(() => driver.adopt(task.launch(), before));
      if (running !== null) return { running, driver: driver.name };
    }
    return { running: null, driver: driverName ?? "" };
  }

  async #sweep(driver: TaskDriver): Promise<void> {
    try {
      await driver.sweep((attemptId) => this.#entries.get(attemptId)?.kind === "live");
    } catch {
      // The daemon is away: what is left harms nobody and is swept by the next host.
    }
  }

  #folderOf(attemptId: AttemptId): string {
    return join(this.#options.folder, "tasks", attemptId);
  }
}

/** Repeats what only fails while a daemon is away. */
async function insist<T>(action: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await action();
    } catch {
      await Bun.sleep(RETRY_MILLIS);
    }
  }
}

async function newestWrite(folder: string): Promise<number> {
  const names = ["head", "tail-1", "tail-2"].flatMap((part) => [
    `stdout.${part}`,
    `stderr.${part}`,
  ]);
  const times = names.map((name) =>
    stat(join(folder, name)).then(
      ({ size, mtimeMs }) => (size > 0 ? mtimeMs : 0),
      () => 0,
    ),
  );
  return Math.max(...(await Promise.all(times)));
}

function sameFence(known: Entry, request: TaskRequest): Result<void, TaskHostError> {
  const fence = known.kind === "live" ? known.task.request.fence : known.status.fence;
  if (fence === request.fence) return ok(undefined);
  return err(refused(`this attempt was started with the fence ${fence}, not ${request.fence}`));
}

const refused = (detail: string): TaskHostError => ({ kind: "refused", detail });
