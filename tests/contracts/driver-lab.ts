import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AttemptId } from "../../engine/lib/ids.ts";
import { type JobSpec, SPEC_DEFAULTS } from "../../engine/lib/job-spec.ts";
import type {
  OutputStream,
  RunningTask,
  TaskDriver,
  TaskExit,
  TaskLaunch,
} from "../../engine/task-host/task-driver.ts";

export type Ran = { readonly exit: TaskExit; readonly stdout: string; readonly stderr: string };

export type StartedTask = {
  readonly task: RunningTask;
  readonly launch: TaskLaunch;
  readonly output: Record<OutputStream, Buffer[]>;
};

/** Runs commands with one driver, each as an attempt of its own. */
export class DriverLab {
  readonly #create: (folder: string) => TaskDriver;
  #made: { readonly folder: string; readonly driver: TaskDriver } | null = null;
  #count = 0;

  constructor(create: (folder: string) => TaskDriver) {
    this.#create = create;
  }

  get driver(): TaskDriver {
    return this.#open().driver;
  }

  get folder(): string {
    return this.#open().folder;
  }

  async start(command: readonly string[], spec: Partial<JobSpec> = {}): Promise<StartedTask> {
    const output = { stdout: [], stderr: [] } as Record<OutputStream, Buffer[]>;
    const launch = this.launch(command, spec, output);
    const gate = { mayStart: () => true, signal: new AbortController().signal };
    const started = await this.driver.start(launch, gate);
    if (!started.ok) throw new Error(`${started.error.kind}: ${started.error.detail}`);
    return { task: started.value, launch, output };
  }

  async run(command: readonly string[], spec: Partial<JobSpec> = {}): Promise<Ran> {
    return this.end(await this.start(command, spec));
  }

  async end({ task, launch, output }: StartedTask): Promise<Ran> {
    const exit = await task.exited;
    await this.driver.remove(launch.attemptId);
    const text = (stream: OutputStream) => Buffer.concat(output[stream]).toString("latin1");
    return { exit, stdout: text("stdout"), stderr: text("stderr") };
  }

  launch(
    command: readonly string[],
    spec: Partial<JobSpec> = {},
    output: Record<OutputStream, Buffer[]> = { stdout: [], stderr: [] },
  ): TaskLaunch {
    this.#count += 1;
    const attemptId = `testtesttest.${this.#count}` as AttemptId;
    const folder = join(this.folder, attemptId);
    mkdirSync(folder);
    return {
      attemptId,
      fence: this.#count,
      clusterId: "testcluster",
      spec: { ...SPEC_DEFAULTS, name: "", image: "", env: {}, labels: {}, ...spec, command },
      folder,
      env: { ...spec.env, NL_JOB_ID: "testtesttest", NL_ATTEMPT: `${this.#count}`, NL_FENCE: "9" },
      onOutput: (stream, bytes) => output[stream].push(Buffer.from(bytes)),
    };
  }

  remove(): void {
    if (this.#made !== null) rmSync(this.#made.folder, { recursive: true, force: true });
  }

  /** At the first use, so that a suite of which nothing runs leaves nothing. */
  #open(): { readonly folder: string; readonly driver: TaskDriver } {
    if (this.#made === null) {
      const folder = mkdtempSync(join(tmpdir(), "nl-driver-"));
      this.#made = { folder, driver: this.#create(folder) };
    }
    return this.#made;
  }
}
