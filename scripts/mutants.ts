import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { Catch } from "../tests/mutants/hunt.ts";
import { applyEdit, type Mutant } from "../tests/mutants/mutant.ts";
import { MUTANTS } from "../tests/mutants/mutants.ts";

/**
 * Applies each deliberate bug to a copy of the source and runs seeds of the simulator until one of
 * them fails, from several starts that have no seed in common. A mutant that survives any of them
 * fails this script, and so does a seed that fails without a mutant.
 * `bun scripts/mutants.ts [--starts N] [--seeds N] [ID…]`
 */

const root = join(import.meta.dir, "..");
const STARTS_APART = 100_000;
/** A copy that runs longer than this has stopped making progress. */
const PATIENCE_MILLIS = 600_000;
const COPIED = [
  ...["engine", "proto/gen", "tests/sim", "tests/mutants/hunt.ts"],
  ...["package.json", "tsconfig.json"],
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    starts: { type: "string", default: "5" },
    seeds: { type: "string", default: "1000" },
  },
});

type Outcome = { readonly mutant: Mutant; readonly catches: readonly Catch[] };

const wanted = MUTANTS.filter(({ id }) => positionals.length === 0 || positionals.includes(id));
const starts = Array.from({ length: Number(values.starts) }, (_, i) => i * STARTS_APART);
const outcomes: Outcome[] = [];
const queue = [...wanted];
console.log("id   median  seeds to kill      what, and what noticed it");
await Promise.all(Array.from({ length: navigator.hardwareConcurrency }, work));

const survivors = outcomes.filter(({ catches }) => catches.some(({ seed }) => seed === null));
const innocent = await failingWithout(outcomes);
for (const { seed, why } of innocent) console.log(`seed ${seed} fails without a mutant: ${why}`);
console.log(`${wanted.length - survivors.length} of ${wanted.length} mutants killed`);
process.exit(survivors.length + innocent.length === 0 && wanted.length > 0 ? 0 : 1);

async function work(): Promise<void> {
  for (let mutant = queue.shift(); mutant !== undefined; mutant = queue.shift()) {
    const directory = mkdtempSync(join(tmpdir(), "nl-mutant-"));
    try {
      await prepare(directory, mutant);
      const outcome = { mutant, catches: await catchesOf(directory, mutant) };
      outcomes.push(outcome);
      print(outcome);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

async function prepare(directory: string, mutant: Mutant): Promise<void> {
  for (const part of COPIED) {
    cpSync(join(root, part), join(directory, part), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  for (const edit of mutant.edits) {
    const path = join(directory, edit.file);
    await Bun.write(path, applyEdit(await Bun.file(path).text(), edit));
  }
}

async function catchesOf(directory: string, { noticedBy }: Mutant): Promise<readonly Catch[]> {
  if (typeof noticedBy === "string") {
    return await hunt(directory, [noticedBy, values.seeds, ...starts.map(String)]);
  }
  const child = Bun.spawnSync([process.execPath, "test", `./${noticedBy.tests}`], {
    cwd: directory,
  });
  const failed = /^\(fail\) (.*)$/m.exec(child.stderr.toString());
  const isKilled = child.exitCode !== 0 && failed !== null;
  return [{ from: 0, tried: 1, seed: isKilled ? 0 : null, why: failed?.[1] ?? "" }];
}

async function hunt(directory: string, range: readonly string[]): Promise<readonly Catch[]> {
  const child = Bun.spawn([process.execPath, "tests/mutants/hunt.ts", ...range], {
    cwd: directory,
    stdout: "pipe",
    stderr: "pipe",
    timeout: PATIENCE_MILLIS,
  });
  const [stdout, stderr] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  // A mutant that cannot even run has shown nothing.
  if ((await child.exited) !== 0) throw new Error(`${range.join(" ")} does not run: ${stderr}`);
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Catch);
}

/** A kill counts only where the source as it is passes the same seed. */
async function failingWithout(all: readonly Outcome[]): Promise<readonly Catch[]> {
  const found: Catch[] = [];
  for (const layer of ["core", "node"]) {
    const seeds = all
      .filter(({ mutant }) => mutant.noticedBy === layer)
      .flatMap(({ catches }) => catches.flatMap(({ seed }) => seed ?? []));
    const unique = [...new Set(seeds)].map(String);
    if (unique.length === 0) continue;
    const catches = await hunt(root, [layer, "1", ...unique]);
    found.push(...catches.filter(({ seed }) => seed !== null));
  }
  return found;
}

/** One row of the table, as soon as it is known. */
function print({ mutant, catches }: Outcome): void {
  const tried = catches.map((each) => (each.seed === null ? "–" : String(each.tried)));
  const isKilled = catches.every(({ seed }) => seed !== null);
  const middle = catches.map((each) => each.tried).sort((a, b) => a - b)[catches.length >> 1];
  const found = typeof mutant.noticedBy === "string" ? String(middle) : "tests";
  const median = isKilled ? found : "SURVIVED";
  const head = `${mutant.id.padEnd(4)} ${median.padStart(6)}  ${tried.join(" ").padEnd(18)}`;
  console.log(`${head} ${mutant.what}`);
  const why = catches.find(({ seed }) => seed !== null)?.why.split("\n")[0] ?? "";
  if (why !== "") console.log(`${" ".repeat(32)}${why.slice(0, 90)}`);
}
