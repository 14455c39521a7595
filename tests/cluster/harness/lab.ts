import { setDefaultTimeout } from "bun:test";
import { mkdirSync, mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { isAlive, processesNaming } from "./processes.ts";

/** Tests of real processes wait for real things, each with a deadline of its own below this one. */
const TEST_MILLIS = 60_000;

/**
 * The place of one test file on this machine: a directory, and the promise that nothing started
 * from it outlives the file. The janitor keeps that promise, also when this process is killed.
 */
export class Lab {
  readonly directory: string;
  readonly #janitor: Bun.Subprocess<"pipe", "ignore", "inherit">;
  #isClosed = false;

  constructor() {
    // For the file that opens the lab, and only for it.
    setDefaultTimeout(TEST_MILLIS);
    this.directory = mkdtempSync(join(tmpdir(), "nl-lab-"));
    mkdirSync(join(this.directory, "home"));
    const script = join(import.meta.dir, "janitor.ts");
    this.#janitor = Bun.spawn([process.execPath, script, this.directory], {
      stdin: "pipe",
      stdout: "ignore",
      stderr: "inherit",
      detached: true,
    });
  }

  path(...names: readonly string[]): string {
    return join(this.directory, ...names);
  }

  /** What a process of this lab inherits: little, and the lab's name, by which it is found. */
  get env(): Record<string, string> {
    this.requireOpen();
    return {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: this.path("home"),
      LANG: "C.UTF-8",
      TERM: "xterm-256color",
    };
  }

  /** Everything started from here that lives, but for the janitor. */
  processes(): readonly number[] {
    return processesNaming(this.directory).filter(
      (pid) => pid !== this.#janitor.pid && isAlive(pid),
    );
  }

  /** A hook that has timed out goes on in the background: nothing may start behind the janitor. */
  requireOpen(): void {
    if (this.#isClosed) throw new Error("the lab is closed");
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#janitor.stdin.end();
    await this.#janitor.exited;
  }
}
