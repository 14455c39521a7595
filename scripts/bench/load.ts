import { join } from "node:path";
import type { Target } from "./raw-client.ts";

export type Load =
  | { readonly kind: "unary"; readonly path: string; readonly inFlight: number }
  | { readonly kind: "stream"; readonly inFlight: number }
  | { readonly kind: "batch"; readonly jobs: number; readonly inFlight: number };

export type LoadRequest = {
  readonly target: Target;
  readonly load: Load;
  readonly distinct: boolean;
  readonly warmUpMillis: number;
  readonly measureMillis: number;
};

export type LoadResult = {
  /** Jobs (or puts) acknowledged per second of the window. */
  readonly perSecond: number;
  readonly p50Millis: number;
  readonly p99Millis: number;
  readonly failed: number;
  readonly firstFailure: string;
};

/** What the program may need beyond its window: connecting, draining. */
const MARGIN_MILLIS = 20_000;

/** The load generator in a process of its own: the same one for every system of a round. */
export class LoadGenerator {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor() {
    const script = join(import.meta.dir, "..", "bench.ts");
    this.#child = Bun.spawn([process.execPath, "--no-env-file", script, "load-program"], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    this.#lines = linesOf(this.#child.stdout);
  }

  get pid(): number {
    return this.#child.pid;
  }

  async run(request: LoadRequest): Promise<LoadResult> {
    const limit = request.warmUpMillis + request.measureMillis + MARGIN_MILLIS;
    const tooLate = setTimeout(() => this.#child.kill("SIGKILL"), limit);
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    await this.#child.stdin.flush();
    const { value, done } = await this.#lines.next();
    clearTimeout(tooLate);
    if (done === true) throw new Error(`the load generator ended during ${request.load.kind}`);
    return JSON.parse(value) as LoadResult;
  }

  async close(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const part of stream) {
    text += decoder.decode(part, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    yield* lines;
  }
}
