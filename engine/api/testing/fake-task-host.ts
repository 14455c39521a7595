import type { AttemptId, UnixMillis } from "../../lib/ids.ts";
import { ok } from "../../lib/result.ts";
import type { OutputChunk, OutputReader } from "../../platform/output-reader.ts";
import type { TaskHost, TaskHostEvent, TaskRequest, TaskStatus } from "../../platform/task-host.ts";

type FakeTask = {
  status: TaskStatus;
  output: Buffer;
  readonly changed: Set<() => void>;
};

/**
 * Tasks without processes: `echo …` writes and exits 0, `exit N` exits, `hold` runs until it is
 * told to write or to end.
 */
export class FakeTaskHost implements TaskHost, OutputReader {
  readonly #tasks = new Map<AttemptId, FakeTask>();
  #onEvent: (event: TaskHostEvent) => void = () => {};

  start(onEvent: (event: TaskHostEvent) => void): void {
    this.#onEvent = onEvent;
    setImmediate(() => {
      const plain = { name: "plain", usable: true, detail: "fake", limits: [] } as const;
      onEvent({ kind: "connected", drivers: [plain] });
      for (const { status } of this.#tasks.values()) onEvent({ kind: "task", task: status });
      onEvent({ kind: "listed" });
    });
  }

  startTask(request: TaskRequest, done: Parameters<TaskHost["startTask"]>[1]): void {
    setImmediate(() => {
      done(ok(undefined));
      if (!this.#tasks.has(request.attemptId)) this.#run(request);
    });
  }

  stopTask(
    stop: Parameters<TaskHost["stopTask"]>[0],
    done: Parameters<TaskHost["stopTask"]>[1],
  ): void {
    setImmediate(() => {
      done(ok(undefined));
      if (this.#tasks.has(stop.attemptId)) {
        this.#set(stop.attemptId, { phase: "exited", end: "cancelled", signal: "SIGTERM" });
      }
    });
  }

  removeTask(_attemptId: AttemptId, done: Parameters<TaskHost["removeTask"]>[1]): void {
    setImmediate(() => done(ok(undefined)));
  }

  renewLease(): void {}

  stop(): void {}

  /** The running attempts. */
  get running(): readonly AttemptId[] {
    return [...this.#tasks]
      .filter(([, { status }]) => status.phase === "running")
      .map(([id]) => id);
  }

  write(attemptId: AttemptId, text: string): void {
    const task = this.#task(attemptId);
    task.output = Buffer.concat([task.output, Buffer.from(text)]);
    for (const tell of [...task.changed]) tell();
  }

  exit(attemptId: AttemptId, exitCode: number): void {
    this.#set(attemptId, { phase: "exited", end: "exited", exitCode });
  }

  async *read(request: Parameters<OutputReader["read"]>[0]): AsyncGenerator<OutputChunk> {
    const { attemptId, follow, signal } = request;
    const task = this.#task(attemptId);
    let offset = request.offset;
    for (;;) {
      const isOver = task.status.phase === "exited";
      const data = task.output.subarray(offset);
      const complete = isOver || !follow;
      yield { offset, stream: "stdout", data, skippedBytes: 0, complete };
      offset += data.length;
      if (complete || signal.aborted) return;
      await new Promise<void>((resolve) => {
        const tell = (): void => {
          task.changed.delete(tell);
          resolve();
        };
        task.changed.add(tell);
        signal.addEventListener("abort", tell);
      });
    }
  }

  #run(request: TaskRequest): void {
    const { attemptId, fence, spec } = request;
    const status: TaskStatus = {
      attemptId,
      fence,
      phase: "running",
      startedAt: Date.now() as UnixMillis,
      finishedAt: null,
      end: null,
      exitCode: null,
      signal: "",
      detail: "",
      stdoutBytes: 0,
      stderrBytes: 0,
      outputAtLeast: false,
      driver: "plain",
      peakMemoryBytes: 0,
    };
    this.#tasks.set(attemptId, { status, output: Buffer.alloc(0), changed: new Set() });
    this.#onEvent({ kind: "task", task: status });
    const [program, ...words] = spec.command;
    if (program === "echo") this.write(attemptId, `${words.join(" ")}\n`);
    if (program === "echo") this.exit(attemptId, 0);
    if (program === "exit") this.exit(attemptId, Number(words[0]));
  }

  #set(attemptId: AttemptId, change: Partial<TaskStatus>): void {
    const task = this.#task(attemptId);
    if (task.status.phase === "exited") return;
    const finishedAt = Date.now() as UnixMillis;
    task.status = { ...task.status, ...change, finishedAt, stdoutBytes: task.output.length };
    this.#onEvent({ kind: "task", task: task.status });
    for (const tell of [...task.changed]) tell();
  }

  #task(attemptId: AttemptId): FakeTask {
    const task = this.#tasks.get(attemptId);
    if (task === undefined) throw new Error(`no task ${attemptId}`);
    return task;
  }
}
