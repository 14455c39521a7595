import { parseArgs } from "node:util";
import { runInParallel } from "../tests/sim/batch.ts";
import { isFault } from "../tests/sim/fault.ts";
import { createWorld, LAYER_NAMES } from "../tests/sim/layers.ts";
import { type Batch, type Limits, median, total } from "../tests/sim/run.ts";
import { FULL_BATCH_SEEDS, shortfalls } from "../tests/sim/shortfalls.ts";
import { commandOf, failureOf, shrink } from "../tests/sim/shrink.ts";

/**
 * `bun run sim SEED` replays one seed with its trace; `--without fault,…`, `--skip n,…` and
 * `--until ms` leave parts of it out. `bun run sim --seeds N [--from K]` runs many; with `--shrink`
 * it says the smallest command that still shows a failure. With
 * `--layer all` seven of ten seeds are of the core, which is quicker, and three of the node.
 */

const TRACE_LINES = 200;
const PROGRESS_EVERY = 500;
const SHRUNK_MAX = 2;
const CORE_SHARE = 0.7;
const USAGE = `usage: bun run sim SEED [--layer L] [--without fault,…] [--skip n,…] [--until ms]
       bun run sim --seeds N [--from K] [--layer L|all] [--shrink]`;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    seeds: { type: "string" },
    from: { type: "string", default: "0" },
    layer: { type: "string", default: "node" },
    lines: { type: "string", default: String(TRACE_LINES) },
    without: { type: "string", default: "" },
    skip: { type: "string", default: "" },
    until: { type: "string" },
    shrink: { type: "boolean", default: false },
  },
});

const seed = Number(positionals[0]);
const isLayer = values.layer === "all" || LAYER_NAMES.includes(values.layer);
if (!isLayer) usage(`no layer ${values.layer}; there are ${LAYER_NAMES.join(", ")}, all`);
else if (values.seeds !== undefined) await runMany(Number(values.from), Number(values.seeds));
else if (Number.isInteger(seed)) replay(values.layer, seed, Number(values.lines));
else usage("name a seed, or say --seeds N");

function usage(problem: string): void {
  console.error(`${problem}\n${USAGE}`);
  process.exitCode = 2;
}

function limitsAsked(): Limits {
  return {
    without: listOf(values.without).filter(isFault),
    skip: listOf(values.skip).map(Number),
    untilMillis: values.until === undefined ? null : Number(values.until),
  };
}

function listOf(text: string): readonly string[] {
  return text === "" ? [] : text.split(",");
}

function replay(layer: string, one: number, lineCount: number): void {
  const lines: string[] = [];
  const show = (): void => console.log(lines.slice(-lineCount).join("\n"));
  try {
    const trace = (line: string): void => void lines.push(line);
    const { hash, millis, coverage } = createWorld(layer, one, {
      ...{ trace, limits: limitsAsked() },
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

async function runMany(from: number, count: number): Promise<void> {
  const ofCore = Math.round(count * CORE_SHARE);
  if (values.layer !== "all") await runLayer(values.layer, from, count);
  else {
    await runLayer("core", from, ofCore);
    await runLayer("node", from, count - ofCore);
  }
}

async function runLayer(layer: string, from: number, count: number): Promise<void> {
  const started = performance.now();
  let shown = 0;
  const batch = await runInParallel({ layer, from, count }, (done, failed) => {
    if (done - shown < PROGRESS_EVERY) return;
    shown = done;
    console.error(`${layer}: ${done} of ${count}, ${failed} failed`);
  });
  summarise(layer, batch, (performance.now() - started) / 1000);
  const reduced = values.shrink ? batch.failures.slice(0, SHRUNK_MAX) : [];
  for (const { seed: failed } of reduced) reduce(layer, failed);
}

function summarise(layer: string, { reports, failures }: Batch, seconds: number): void {
  const hours = reports.reduce((sum, { millis }) => sum + millis, 0) / 3_600_000;
  for (const { seed: failed, problem } of failures) console.log(`seed ${failed}: ${problem}`);
  const keys = Object.keys(reports[0]?.coverage ?? {}) as (keyof (typeof reports)[0]["coverage"])[];
  for (const key of keys) {
    const [middle, sum] = [median(reports, key), total(reports, key)];
    if (sum > 0) console.log(`${key.padEnd(18)} median ${middle}, total ${sum}`);
  }
  const pace = `${hours.toFixed(2)} simulated hours in ${seconds.toFixed(1)} s`;
  const perSecond = (hours / seconds).toFixed(3);
  console.log(
    `${layer}: ${reports.length} seeds passed, ${failures.length} failed; ${pace} (${perSecond}/s)`,
  );
  const missing = reports.length >= FULL_BATCH_SEEDS ? shortfalls(layer, reports) : [];
  for (const sentence of missing) console.log(`too tame: ${sentence}`);
  if (failures.length > 0 || missing.length > 0) process.exitCode = 1;
}

/** What a person who looks into it needs: the commit, the seed, and the least that still fails. */
function reduce(layer: string, failed: number): void {
  const failure = failureOf(layer, failed);
  if (failure === null) return;
  const {
    limits,
    failure: least,
    runs,
  } = shrink(failure, (part) => failureOf(layer, failed, part));
  const commit = Bun.spawnSync(["git", "rev-parse", "--short", "HEAD"]).stdout.toString().trim();
  const faults = least.strikes.map(({ fault }) => fault).join(", ");
  console.log(`seed ${failed} at ${commit}, reduced in ${runs} runs to [${faults}]:`);
  console.log(`  ${commandOf(layer, failed, limits)}\n  ${least.problem}`);
}
