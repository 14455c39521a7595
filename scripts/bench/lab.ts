import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gone } from "../../cmd/local/process-file.ts";

const LOG_LINES = 8;
const STOP_MILLIS = 5_000;

export type Started = { readonly name: string; readonly pid: number };

type Cleanup = () => Promise<void>;

/**
 * Everything one run makes: processes and one directory on disk. Nothing of it outlives the run,
 * however the run ends, except by `kill -9` of the run itself.
 */
export class Lab {
  readonly directory: string;
  readonly #started = new Set<Started>();
  readonly #cleanups: Cleanup[] = [];
  #closing: Promise<void> | null = null;

  constructor(parent: string | null) {
    this.directory = mkdtempSync(join(parent ?? tmpdir(), "nl-bench-"));
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
      process.on(signal, () => {
        const end = (): never => process.exit(130);
        this.close().then(end, end);
      });
    }
  }

  /** Starts a process in a session of its own; what it says goes to `<name>.log`. */
  start(name: string, argv: readonly string[]): Started {
    const log = openSync(this.#logOf(name), "a", 0o600);
    const { BUN_OPTIONS: _, ...env } = process.env;
    const child = Bun.spawn([...argv], {
      cwd: this.directory,
      env,
      detached: true,
      stdin: "ignore",
      stdout: log,
      stderr: log,
    });
    closeSync(log);
    child.unref();
    const started = { name, pid: child.pid };
    this.#started.add(started);
    return started;
  }

  /** Runs before the processes are ended. */
  onClose(cleanup: Cleanup): void {
    this.#cleanups.push(cleanup);
  }

  isAlive({ pid }: Started): Promise<boolean> {
    return gone(pid, 0).then((isGone) => !isGone);
  }

  /** A benchmark's data is thrown away: there is nothing to hand over, so KILL. */
  async stop(all: readonly Started[], signal: NodeJS.Signals = "SIGKILL"): Promise<void> {
    for (const { pid } of all) send(pid, signal);
    for (const started of all) {
      if (!(await gone(started.pid, STOP_MILLIS))) send(started.pid, "SIGKILL");
      this.#started.delete(started);
    }
  }

  /** The last lines a process wrote, for the moment when it does not do what it should. */
  tailOf(name: string): string {
    return readFileSync(this.#logOf(name), "utf8")
      .trimEnd()
      .split("\n")
      .slice(-LOG_LINES)
      .join("\n");
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
    await this.stop([...this.#started]);
    rmSync(this.directory, { recursive: true, force: true });
  }

  #logOf(name: string): string {
    return join(this.directory, `${name}.log`);
  }
}

function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
