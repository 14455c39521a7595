import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DriverChoice } from "../../engine/lib/job-spec.ts";
import { bootMillis } from "../../engine/task-host/boot-clock.ts";
import { TaskHostClient } from "../../engine/task-host/task-host-client.ts";
import type { TaskHostWorld } from "./task-host.ts";

const UNTIL_MILLIS = 20_000;

/** Real task hosts, each in a process and a folder of its own. */
export class HostLab implements TaskHostWorld {
  readonly folder: string;
  readonly runsOn = ["sleep", "600"];
  readonly #clients: TaskHostClient[] = [];
  readonly #driver: DriverChoice;
  readonly #idleMillis: number;

  constructor(
    driver: DriverChoice,
    options: { readonly folderName?: string; readonly idleMillis?: number } = {},
  ) {
    const parent = mkdtempSync(join(tmpdir(), "nl-host-"));
    this.folder = join(parent, options.folderName ?? "tasks");
    this.#driver = driver;
    this.#idleMillis = options.idleMillis ?? 60_000;
  }

  connect(): TaskHostClient {
    const script = join(import.meta.dir, "task-host-process.ts");
    const words = [this.folder, this.#driver, `${this.#idleMillis}`];
    const client = new TaskHostClient({
      directory: this.folder,
      command: [process.execPath, script, ...words],
      logger: { log: () => undefined },
    });
    this.#clients.push(client);
    return client;
  }

  exits(code: number): readonly string[] {
    return ["sh", "-c", `exit ${code}`];
  }

  bootMillis(): number {
    return bootMillis();
  }

  async until(holds: () => boolean): Promise<void> {
    const deadline = performance.now() + UNTIL_MILLIS;
    while (!holds()) {
      if (performance.now() > deadline) throw new Error("it did not come true in 20 s");
      await Bun.sleep(5);
    }
  }

  /** Null: no host serves the folder. */
  hostPid(): number | null {
    const path = join(this.folder, "task-host.pid");
    if (!existsSync(path)) return null;
    const [pid] = /(?<="pid":)\d+/.exec(readFileSync(path, "utf8")) ?? [];
    return pid !== undefined && isAlive(Number(pid)) ? Number(pid) : null;
  }

  /** kill -9, and gone. */
  async killHost(): Promise<void> {
    const pid = this.hostPid();
    if (pid === null) return;
    process.kill(pid, "SIGKILL");
    await this.until(() => !isAlive(pid));
  }

  async tearDown(): Promise<void> {
    for (const client of this.#clients) client.stop();
    const pid = this.hostPid();
    if (pid !== null) {
      process.kill(pid, "SIGTERM");
      await this.until(() => !isAlive(pid));
    }
    rmSync(join(this.folder, ".."), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return false;
  }
}
