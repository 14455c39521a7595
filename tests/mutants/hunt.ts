import { createWorld } from "../sim/layers.ts";

/** What became of one range of seeds: the first that failed, and how many it took to find it. */
export type Catch = {
  readonly from: number;
  readonly tried: number;
  readonly seed: number | null;
  readonly why: string;
};

/** Runs seeds from `from` on until one fails, at most `count`. */
function hunt(layer: string, from: number, count: number): Catch {
  for (let tried = 1; tried <= count; tried++) {
    const seed = from + tried - 1;
    try {
      createWorld(layer, seed).run();
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      return { from, tried, seed, why };
    }
  }
  return { from, tried: count, seed: null, why: "" };
}

/** `bun tests/mutants/hunt.ts LAYER COUNT FROM…`: a line of JSON for each range. */
if (import.meta.main) {
  const [layer = "", count = "", ...starts] = process.argv.slice(2);
  for (const from of starts) {
    console.log(JSON.stringify(hunt(layer, Number(from), Number(count))));
  }
}
