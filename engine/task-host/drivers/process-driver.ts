import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";
import type { AttemptId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type {
  DriverProbe,
  RunningTask,
  StartFailure,
  TaskDriver,
  TaskLaunch,
} from "../task-driver.ts";
import type { Cgroups, TaskCgroup } from "./cgroups.ts";
import { launchProcess } from "./launch-process.ts";
import { probeSandbox } from "./probe-sandbox.ts";
import { processesWithEnvironment, sendSignal } from "./process-table.ts";
import { marksOf, type Sandbox, SYSTEM_PATH } from "./sandbox.ts";

/** Runs tasks as processes of this machine, in one kind of sandbox, limited by cgroups if it may. */
export class ProcessDriver implements TaskDriver {
  readonly name: Sandbox["name"];
  readonly #sandbox: Sandbox;
  readonly #cgroups: Cgroups | null;
  readonly #hostFolder: string;

  constructor(options: {
    readonly sandbox: Sandbox;
    readonly cgroups: Cgroups | null;
    readonly hostFolder: string;
  }) {
    this.name = options.sandbox.name;
    this.#sandbox = options.sandbox;
    this.#cgroups = options.cgroups;
    this.#hostFolder = options.hostFolder;
  }

  async probe(): Promise<DriverProbe> {
    const lacking = this.#sandbox.programs.filter((program) => !isInstalled(program));
    const failure =
      lacking.length > 0
        ? `${lacking.join(", ")} not found: install ${packagesOf(lacking)}`
        : await probeSandbox(this.#sandbox, this.#hostFolder);
    const usable = failure === "";
    const limits = this.#cgroups?.limits ?? this.#sandbox.ownLimits;
    const detail = usable ? this.#describe(limits) : failure;
    return { status: { name: this.name, usable, detail, limits }, runsUnnamed: usable };
  }

  async start(
    launch: TaskLaunch,
    gate: { readonly mayStart: () => boolean; readonly signal: AbortSignal },
  ): Promise<Result<RunningTask, StartFailure>> {
    const cgroup = this.#limit(launch);
    if (!cgroup.ok) return cgroup;
    if (gate.signal.aborted || !gate.mayStart()) {
      await cgroup.value?.remove();
      return err({ kind: "aborted", detail: "" });
    }
    return launchProcess({ sandbox: this.#sandbox, launch, cgroup: cgroup.value });
  }

  /** Sandboxed tasks end with their host. What a plain one left behind ends here. */
  async adopt(launch: TaskLaunch): Promise<null> {
    const cgroup = this.#cgroups?.find(launch.attemptId) ?? null;
    for (let round = 0; round < 100; round++) {
      const marked = processesWithEnvironment(marksOf(launch.env));
      const left = new Set([...(cgroup?.processes() ?? []), ...marked]);
      if (left.size === 0) break;
      for (const pid of left) sendSignal(pid, "SIGKILL");
      await Bun.sleep(20);
    }
    await cgroup?.remove();
    return null;
  }

  async remove(attemptId: AttemptId): Promise<void> {
    await this.#cgroups?.find(attemptId)?.remove();
  }

  async sweep(isKnown: (attemptId: AttemptId) => boolean): Promise<void> {
    for (const name of (await this.#cgroups?.names()) ?? []) {
      if (isKnown(name as AttemptId)) continue;
      const cgroup = this.#cgroups?.find(name) ?? null;
      cgroup?.kill();
      await cgroup?.remove();
    }
  }

  #limit({ attemptId, spec }: TaskLaunch): Result<TaskCgroup | null, StartFailure> {
    try {
      return ok(this.#cgroups?.create(attemptId, spec.resources) ?? null);
    } catch (error) {
      const detail = `the kernel refused the limits of this job: ${String(error)}`;
      return err({ kind: "not-started", detail });
    }
  }

  #describe(limits: readonly string[]): string {
    const missing = ["memory", "cpu", "pids"].filter((limit) => !limits.includes(limit));
    const unlimited = missing.length > 0 ? `not limited here: ${missing.join(", ")}` : "";
    return [this.#sandbox.caveat, unlimited].filter(Boolean).join("; ");
  }
}

function isInstalled(program: string): boolean {
  return SYSTEM_PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function packagesOf(programs: readonly string[]): string {
  return programs.includes("bwrap") ? "bubblewrap (and util-linux)" : "util-linux";
}
