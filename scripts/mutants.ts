import { cpSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { MUTANTS, type Mutant } from "../tests/mutants/mutants.ts";

/**
 * Applies each deliberate bug to a copy of the source and runs seeds of the simulator until one
 * of them fails. A mutant that survives them all fails this script.
 * `bun scripts/mutants.ts [--seeds N] [ID…]`
 */

const root = join(import.meta.dir, "..");
const SEEDS_DEFAULT = 1_000;
const CHUNK = 25;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { seeds: { type: "string", default: String(SEEDS_DEFAULT) } },
});

const wanted = MUTANTS.filter(({ id }) => positionals.length === 0 || positionals.includes(id));
let survivors = 0;
for (const mutant of wanted) {
  const directory = mkdtempSync(join(tmpdir(), "nl-mutant-"));
  try {
    await prepare(directory, mutant);
    report(mutant, confirmed(mutant, hunt(directory, mutant, Number(values.seeds))));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
console.log(`${wanted.length - survivors} of ${wanted.length} mutants killed`);
process.exitCode = survivors === 0 ? 0 : 1;

async function prepare(directory: string, mutant: Mutant): Promise<void> {
  for (const part of ["engine", "proto/gen", "tests/sim", "scripts/sim.ts", "tsconfig.json"]) {
    cpSync(join(root, part), join(directory, part), { recursive: true });
  }
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  for (const { file, find, replace } of mutant.edits) {
    const path = join(directory, file);
    const source = await Bun.file(path).text();
    const places = source.split(find).length - 1;
    if (places !== 1) throw new Error(`${mutant.id}: ${places} places in ${file} match: ${find}`);
    await Bun.write(
      path,
      source.replace(find, () => replace),
    );
  }
}

type Kill = { readonly seed: number; readonly why: string };

/** Null when the mutant survived. */
function hunt(directory: string, mutant: Mutant, seedCount: number): Kill | null {
  for (let from = 0; from < seedCount; from += CHUNK) {
    const { stdout, stderr, exitCode } = Bun.spawnSync(
      [
        process.execPath,
        "scripts/sim.ts",
        ...["--layer", mutant.layer, "--seeds", String(CHUNK), "--from", String(from)],
      ],
      { cwd: directory },
    );
    const failed = /^seed (\d+): (.*)$/m.exec(stdout.toString());
    if (failed !== null) return { seed: Number(failed[1]), why: failed[2] ?? "" };
    // A mutant that cannot even run has shown nothing.
    if (exitCode !== 0) throw new Error(`${mutant.id} does not run: ${stderr}`);
  }
  return null;
}

/** A kill counts only where the source as it is passes the same seed. */
function confirmed(mutant: Mutant, kill: Kill | null): Kill | null {
  if (kill === null) return null;
  const seed = ["--seeds", "1", "--from", String(kill.seed)];
  const { exitCode, stdout } = Bun.spawnSync(
    [process.execPath, "scripts/sim.ts", "--layer", mutant.layer, ...seed],
    { cwd: root },
  );
  if (exitCode !== 0) throw new Error(`seed ${kill.seed} fails without any mutant: ${stdout}`);
  return kill;
}

function report(mutant: Mutant, kill: Kill | null): void {
  if (kill === null) survivors += 1;
  const outcome =
    kill === null ? "SURVIVED" : `killed by seed ${kill.seed}: ${kill.why.slice(0, 100)}`;
  console.log(`${mutant.id.padEnd(4)} ${mutant.what}\n     ${outcome}`);
}
