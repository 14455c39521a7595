import { runScenario } from "../tests/scenarios/etcd-adapter.ts";
import type { Block } from "../tests/scenarios/scenario.ts";

/** `bun scripts/scenarios.ts FILE`: runs etcd's scenarios, as JSON by name, against the raft core. */
const path = process.argv[2];
if (path === undefined) {
  console.error("usage: bun scripts/scenarios.ts FILE");
  process.exit(2);
}

type Scenarios = Readonly<Record<string, { readonly blocks: readonly Block[] }>>;
const scenarios: Scenarios = await Bun.file(path).json();

let failed = 0;
for (const [name, { blocks }] of Object.entries(scenarios)) {
  const mismatches = run(blocks);
  console.log(`${mismatches.length === 0 ? "pass" : "FAIL"} ${name} (${blocks.length} commands)`);
  for (const mismatch of mismatches) console.log(`     ${mismatch}`);
  if (mismatches.length > 0) failed += 1;
}
console.log(`${Object.keys(scenarios).length - failed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

function run(blocks: readonly Block[]): readonly string[] {
  try {
    return runScenario(blocks).map(({ block, cmd, what, expected, actual }) => {
      const where = `#${block} ${cmd.replaceAll("\n", " ")}: ${what}`;
      return `${where}: expected ${JSON.stringify(expected)}, not ${JSON.stringify(actual)}`;
    });
  } catch (error) {
    return [error instanceof Error ? (error.stack ?? error.message) : String(error)];
  }
}
