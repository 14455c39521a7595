import { parseArgs } from "node:util";
import { runInParallel } from "../tests/sim/batch.ts";
import { createWorld, LAYER_NAMES } from "../tests/sim/layers.ts";
import { type Batch, median, total } from "../tests/sim/run.ts";
import { FULL_BATCH_SEEDS, shortfalls } from "../tests/sim/shortfalls.ts";

/**
 * `bun run sim SEED` replays one seed with its trace; `bun run sim --seeds N [--from K]` runs many.
 * `--layer core` is Raft alone, `--layer node` (the default) the whole node.
 */

const TRACE_LINES = 200;
const PROGRESS_EVERY = 100;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string" },
    from: { type: "string", default: "0" },
    layer: { type: "string", default: "node" },
    lines: { type: "string", default: String(TRACE_LINES) },
  },
});

const seed = Number(positionals[0]);
if (!LAYER_NAMES.includes(values.layer)) usage(`the layers are ${LAYER_NAMES.join(", ")}`);
else if (values.seeds !== undefined) await many(Number(values.from), Number(values.seeds));
else if (Number.isInteger(seed)) replay(seed, Number(values.lines));
else usage("name a seed, or say --seeds N");

function usage(problem: string): void {
  console.error(`${problem}\nusage: bun run sim SEED | --seeds N [--from K] [--layer core|node]`);
  process.exitCode = 2;
}

function replay(one: number, lineCount: number): void {
  const lines: string[] = [];
  const show = (): void => console.log(lines.slice(-lineCount).join("\n"));
  try {
    const { hash, millis, coverage } = createWorld(values.layer, one, {
      trace: (line) => lines.push(line),
    }).run();
    show();
    console.log(`seed ${one}: ok, hash ${hash.toString(16)}, ${millis} ms of virtual time`);
    console.log(coverage);
  } catch (error) {
    show();
    console.log(`seed ${one} failed: ${error instanceof Error ? error.stack : String(error)}`);
    process.exitCode = 1;
  }
}

async function many(from: number, count: number): Promise<void> {
  const started = performance.now();
  let shown = 0;
  const batch = await runInParallel({ layer: values.layer, from, count }, (done, failed) => {
    if (done - shown < PROGRESS_EVERY) return;
    shown = done;
    console.error(`${done} of ${count}, ${failed} failed`);
  });
  summarise(batch, (performance.now() - started) / 1000);
}

function summarise({ reports, failures }: Batch, seconds: number): void {
  const hours = reports.reduce((sum, { millis }) => sum + millis, 0) / 3_600_000;
  for (const { seed: failed, problem } of failures) console.log(`seed ${failed}: ${problem}`);
  const keys = Object.keys(reports[0]?.coverage ?? {}) as (keyof (typeof reports)[0]["coverage"])[];
  for (const key of keys) {
    console.log(`${key.padEnd(12)} median ${median(reports, key)}, total ${total(reports, key)}`);
  }
  const perSecond = (hours / seconds).toFixed(3);
  const pace = `${hours.toFixed(2)} simulated hours in ${seconds.toFixed(1)} s (${perSecond}/s)`;
  console.log(`${reports.length} seeds passed, ${failures.length} failed; ${pace}`);
  const isFull = reports.length >= FULL_BATCH_SEEDS;
  const missing = isFull ? shortfalls(values.layer, reports) : [];
  for (const sentence of missing) console.log(`too tame: ${sentence}`);
  if (failures.length > 0 || missing.length > 0) process.exitCode = 1;
}
