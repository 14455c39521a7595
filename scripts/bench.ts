import { Lab } from "./bench/lab.ts";
import { runLoadProgram } from "./bench/load-program.ts";
import { parseOptions } from "./bench/options.ts";
import { benchSubmit } from "./bench/submit.ts";

/** `bun run bench submit`: see scripts/bench/README.md. */

const USAGE = `usage: bun run bench submit [options]
options: --rounds N --seconds S --only TEXT --no-etcd --distinct --binary PATH
         --profile DIR --data DIR`;

const [what = "", ...words] = process.argv.slice(2);
process.exit(await main());

async function main(): Promise<number> {
  if (what === "load-program") {
    await runLoadProgram();
    return 0;
  }
  if (what !== "submit") {
    console.error(USAGE);
    return 2;
  }
  const options = parseOptions(words);
  const lab = new Lab(options.data);
  try {
    await benchSubmit(lab, options);
    return 0;
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await lab.close();
  }
}
