import { runScenario } from "../tests/scenarios/etcd-adapter.ts";
import { expectationCount, unnoticed } from "../tests/scenarios/flips.ts";
import type { Block } from "../tests/scenarios/scenario.ts";

/**
 * `bun scripts/scenarios.ts FILE`: runs etcd's scenarios, as JSON by name, against the raft core.
 * Then it changes every value that they expect, one at a time: each change must be noticed.
 */
const path = process.argv[2];
if (path === undefined) {
  console.error("usage: bun scripts/scenarios.ts FILE");
  process.exit(2);
}

type Scenarios = Readonly<Record<string, { readonly blocks: readonly Block[] }>>;
const scenarios: Scenarios = await Bun.file(path).json();

let failed = 0;
let expectations = 0;
for (const [name, { blocks }] of Object.entries(scenarios)) {
  const problems = problemsOf(blocks);
  console.log(`${problems.length === 0 ? "pass" : "FAIL"} ${name} (${blocks.length} commands)`);
  for (const problem of problems) console.log(`     ${problem}`);
  if (problems.length > 0) failed += 1;
  expectations += expectationCount(blocks);
}
console.log(`${Object.keys(scenarios).length - failed} passed, ${failed} failed`);
if (failed === 0) console.log(`each of ${expectations} expected values, changed, was noticed`);
process.exit(failed === 0 ? 0 : 1);

function problemsOf(blocks: readonly Block[]): readonly string[] {
  try {
    return [...mismatchesOf(blocks), ...unnoticed(blocks).map((place) => `not noticed: ${place}`)];
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
}

function mismatchesOf(blocks: readonly Block[]): readonly string[] {
  return runScenario(blocks).map(({ block, cmd, what, expected, actual }) => {
    const where = `#${block} ${cmd.replaceAll("\n", " ")}: ${what}`;
    return `${where}: expected ${JSON.stringify(expected)}, not ${JSON.stringify(actual)}`;
  });
}
