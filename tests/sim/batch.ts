import type { Chunk } from "./batch-worker.ts";
import type { Batch } from "./run.ts";

const THREADS_MAX = 8;
const CHUNK_SEEDS = 10;
const FAILURES_MAX = 20;

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
  const threads = Math.min(navigator.hardwareConcurrency, THREADS_MAX, chunks.length);
  let failed = 0;
  let done = 0;
  let next = 0;
  const work = async (): Promise<void> => {
    const worker = new Worker(new URL("./batch-worker.ts", import.meta.url).href);
    for (let chunk = chunks[next]; chunk !== undefined; chunk = chunks[next]) {
      if (failed >= FAILURES_MAX) break;
      const place = next;
      next += 1;
      const batch = await ask(worker, chunk);
      batches[place] = batch;
      done += chunk.count;
      failed += batch.failures.length;
      onProgress(done, failed);
    }
    worker.terminate();
  };
  await Promise.all(Array.from({ length: threads }, work));
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

function ask(worker: Worker, chunk: Chunk): Promise<Batch> {
  return new Promise((resolve, reject) => {
    worker.onmessage = ({ data }: MessageEvent<Batch>) => resolve(data);
    worker.onerror = (event) => reject(new Error(event.message));
    worker.postMessage(chunk);
  });
}
