import { join } from "node:path";
import type { Chunk } from "./batch-worker.ts";
import type { Batch } from "./run.ts";

const PROCESSES_MAX = 8;
/** Few, so that all cores are busy to the end. */
const CHUNK_SEEDS = 5;
const FAILURES_MAX = 20;
/** So many seeds are run once more at the end: the same seed is the same run (property 21). */
const REPEATED_SEEDS = 6;
/** Fewer seeds are done before what the last tier of the compiler makes of them has paid for itself. */
const COMPILED_WELL_SEEDS = 1_000;

/**
 * Runs seeds of a layer on every core. The order of the results is that of the seeds, whoever ran
 * them; chunks that began are finished when too many have failed.
 */
export async function runInParallel(
  all: Chunk,
  onProgress: (done: number, failed: number) => void = () => {},
): Promise<Batch> {
  const chunks = chunksOf(all);
  const todo = [...chunks, { ...all, count: Math.min(REPEATED_SEEDS, all.count) }];
  const batches: Batch[] = [];
  const processes = Math.min(navigator.hardwareConcurrency, PROCESSES_MAX, chunks.length);
  let failed = 0;
  let done = 0;
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = new BatchWorker(all.count);
    for (let chunk = todo[next]; chunk !== undefined; chunk = todo[next]) {
      if (failed >= FAILURES_MAX) break;
      const place = next;
      next += 1;
      const batch = await worker.run(chunk);
      batches[place] = batch;
      done = Math.min(all.count, done + chunk.count);
      failed += batch.failures.length;
      onProgress(done, failed);
    }
    worker.stop();
  };
  await Promise.all(Array.from({ length: processes }, work));
  return joined(batches.slice(0, chunks.length), batches[chunks.length]);
}

function joined(batches: readonly Batch[], repeated: Batch | undefined): Batch {
  const whole = batches.filter((batch) => batch !== undefined);
  const reports = whole.flatMap((batch) => batch.reports);
  const failures = whole.flatMap((batch) => batch.failures);
  return { reports, failures: [...failures, ...differences(reports, repeated?.reports ?? [])] };
}

/** Which seeds were another run the second time. */
export function differences(first: Batch["reports"], second: Batch["reports"]): Batch["failures"] {
  return second.flatMap(({ seed, hash }) => {
    const before = first.find((report) => report.seed === seed);
    if (before === undefined || before.hash === hash) return [];
    const problem = `determinism: hash ${before.hash.toString(16)}, then ${hash.toString(16)}`;
    return [{ seed, problem }];
  });
}

function chunksOf(all: Chunk): readonly Chunk[] {
  const chunks: Chunk[] = [];
  for (let from = 0; from < all.count; from += CHUNK_SEEDS) {
    const count = Math.min(CHUNK_SEEDS, all.count - from);
    chunks.push({ layer: all.layer, from: all.from + from, count });
  }
  return chunks;
}

/** A process of its own: what it leaves behind, and what its compiler thinks, ends with it. */
class BatchWorker {
  readonly #process: Bun.Subprocess;
  #asked: PromiseWithResolvers<Batch> = Promise.withResolvers();

  constructor(seedCount: number) {
    const env = {
      // Every core has a worker: a collector beside it would only take turns with one of them.
      BUN_JSC_useConcurrentGC: "0",
      ...(seedCount < COMPILED_WELL_SEEDS ? { BUN_JSC_useFTLJIT: "0" } : {}),
    };
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
