import { batchFigures } from "./batch-sizes.ts";
import { catchUpFigures } from "./catch-up.ts";
import type { Lab } from "./lab.ts";
import type { BenchOptions } from "./options.ts";
import { recoveryFigures } from "./recovery.ts";
import { table } from "./statistics.ts";

/** One line of the table. */
export type Figure = { readonly name: string; readonly value: string; readonly note: string };

const PARTS = [
  ["batches", batchFigures],
  ["catch-up", catchUpFigures],
  ["recovery", recoveryFigures],
] as const;

/** What replication and the log do beside serving clients; no other system is measured here. */
export async function benchRaft(lab: Lab, options: BenchOptions): Promise<void> {
  const figures: Figure[] = [];
  for (const [name, measure] of PARTS) {
    if (options.only !== null && !name.includes(options.only)) continue;
    const measured = await measure(lab, options);
    for (const figure of measured) {
      console.error(`  ${figure.name}: ${figure.value} (${figure.note})`);
    }
    figures.push(...measured);
  }
  const rows = figures.map(({ name, value, note }) => [name, value, note]);
  console.log(`\n${table([["figure", "value", ""], ...rows])}`);
}
