import { join } from "node:path";
import type { Chunk } from "./batch-worker.ts";
import type { Batch } from "./run.ts";

const PROCESSES_MAX = 8;
const CHUNK_SEEDS = 10;
const FAILURES_MAX = 20;
/** Fewer seeds are done before what the last tier of the compiler makes of them has paid for itself. */
const COMPILED_WELL_SEEDS = 1_000;

/**
 * Runs seeds of a layer on every core. The order of the results is that of the seeds, whoever ran
 * them; chunks that began are finished when too many have failed.
 */
export async function runInParallel(
  all: { readonly layer: string; readonly from: number; readonly count: number },
  onProgress: (done: number, failed: number) => void = () => {},
): Promise<Batch> {
  const chunks = chunksOf(all);
  const batches: Batch[] = [];
  const processes = Math.min(navigator.hardwareConcurrency, PROCESSES_MAX, chunks.length);
  let failed = 0;
  let done = 0;
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = new BatchWorker(all.count);
    for (let chunk = chunks[next]; chunk !== undefined; chunk = chunks[next]) {
      if (failed >= FAILURES_MAX) break;
      const place = next;
      next += 1;
      const batch = await worker.run(chunk);
      batches[place] = batch;
      done += chunk.count;
      failed += batch.failures.length;
      onProgress(done, failed);
    }
    worker.stop();
  };
  await Promise.all(Array.from({ length: processes }, work));
  const whole = batches.filter((batch) => batch !== undefined);
  return {
    reports: whole.flatMap(({ reports }) => reports),
    failures: whole.flatMap(({ failures }) => failures),
  };
}

function chunksOf(all: Chunk): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let from = 0; from < all.count; from += CHUNK_SEEDS) {
    const count = Math.min(CHUNK_SEEDS, all.count - from);
    chunks.push({ layer: all.layer, from: all.from + from, count });
  }
  return chunks;
}

class BatchWorker {
  readonly #process: Bun.Subprocess;
  #asked: PromiseWithResolvers<Batch> = Promise.withResolvers();

  constructor(seedCount: number) {
    const env = seedCount < COMPILED_WELL_SEEDS ? { BUN_JSC_useFTLJIT: "0" } : {};
    this.#process = Bun.spawn([process.execPath, join(import.meta.dir, "batch-worker.ts")], {
      env: { ...process.env, ...env },
      stdio: ["ignore", "inherit", "inherit"],
      serialization: "advanced",
      ipc: (batch) => this.#asked.resolve(batch),
      onExit: (_, code) => this.#asked.reject(new Error(`a worker exits with ${code}`)),
    });
  }

  run(chunk: Chunk): Promise<Batch> {
    this.#asked = Promise.withResolvers();
    this.#process.send(chunk);
    return this.#asked.promise;
  }

  stop(): void {
    this.#process.disconnect();
  }
}
