import { readdirSync, readFileSync } from "node:fs";
import { until } from "./until.ts";

/** What strace makes of a system call: see its manual, `--inject`. */
type Injection = {
  readonly calls: readonly string[];
  /** `error=EIO`, `delay_enter=3000000` (microseconds) … */
  readonly effect: string;
};

/** Makes system calls of a running process fail or last, until it is stopped. Needs `strace`. */
export class Syscalls {
  readonly #tracer: Bun.Subprocess;

  private constructor(tracer: Bun.Subprocess) {
    this.#tracer = tracer;
  }

  /** From the moment it resolves on, every thread of the process is under it. */
  static async inject(pid: number, { calls, effect }: Injection): Promise<Syscalls> {
    const list = calls.join(",");
    const tracer = Bun.spawn(
      ["strace", "-f", "-q", "-o", "/dev/null", "-p", String(pid)].concat([
        "-e",
        `trace=${list}`,
        "-e",
        `inject=${list}:${effect}`,
      ]),
      { stdin: "ignore", stdout: "ignore", stderr: "ignore" },
    );
    await until(`strace holds every thread of ${pid}`, () => isTraced(pid));
    return new Syscalls(tracer);
  }

  /** The process goes on without it. */
  async stop(): Promise<void> {
    this.#tracer.kill("SIGINT");
    await this.#tracer.exited;
  }
}

function isTraced(pid: number): boolean {
  const threads = `/proc/${pid}/task`;
  return readdirSync(threads).every((thread) => {
    const status = readFileSync(`${threads}/${thread}/status`, "utf8");
    return !/^TracerPid:\s*0$/m.test(status);
  });
}
