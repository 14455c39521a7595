import { benchFailover } from "./bench/failover.ts";
import { reportJobRates } from "./bench/job-rate.ts";
import { Lab } from "./bench/lab.ts";
import { runLoadProgram } from "./bench/load-program.ts";
import { parseOptions } from "./bench/options.ts";
import { benchRaft } from "./bench/raft.ts";
import { benchSlowDisk } from "./bench/slow-disk.ts";
import { benchSnapshot } from "./bench/snapshot.ts";
import { benchSoak } from "./bench/soak.ts";
import { benchUp } from "./bench/startup.ts";
import { benchSubmit } from "./bench/submit.ts";

/** `bun run bench submit`, `bun run bench up`, …: see scripts/bench/README.md. */

const USAGE = `usage: bun run bench submit|raft|up|jobs|snapshot|failover|soak|slow-disk [options]
options: --rounds N --seconds S --only TEXT --no-etcd --distinct --binary PATH
         --profile DIR --data DIR --kills N --minutes N --jobs N`;

const BENCHES = new Map([
  ["submit", benchSubmit],
  ["raft", benchRaft],
  ["jobs", reportJobRates],
  ["up", benchUp],
  ["snapshot", benchSnapshot],
  ["failover", benchFailover],
  ["soak", benchSoak],
  ["slow-disk", benchSlowDisk],
]);

const [what = "", ...words] = process.argv.slice(2);
process.exit(await main());

async function main(): Promise<number> {
  if (what === "load-program") {
    await runLoadProgram();
    return 0;
  }
  const bench = BENCHES.get(what);
  if (bench === undefined) {
    console.error(USAGE);
    return 2;
  }
  const options = parseOptions(words);
  const lab = new Lab(options.data);
  try {
    await bench(lab, options);
    return 0;
  } catch (error) {
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    return 1;
  } finally {
    await lab.close();
  }
}
