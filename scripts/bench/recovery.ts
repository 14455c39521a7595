import { join } from "node:path";
import type { Replica } from "../../engine/replica/replica.ts";
import type { Lab } from "./lab.ts";
import type { Figure } from "./raft.ts";
import { found, mintId, open, propose, specOf, start, until } from "./single-replica.ts";
import { millis } from "./statistics.ts";

const ENTRIES = Number(process.env["NL_BENCH_ENTRIES"] ?? 1_000_000);
const IN_FLIGHT = 256;
const RECOVERY_MILLIS_MAX = 300_000;
const MEGABYTE = 1024 * 1024;
/** No snapshot: every entry is read and applied again. */
const NEVER = { entries: 1e12, logBytes: 1e15, keepEntries: 1e12, recordsPerSlice: 4_096 };

/** A start from a log of single-job entries without a snapshot, and what they cost in memory. */
export async function recoveryFigures(lab: Lab): Promise<readonly Figure[]> {
  const directory = join(lab.directory, "recovery");
  found(directory);
  const before = open(directory, NEVER);
  await start(before);
  const empty = await memoryOf();
  await fill(before);
  const filled = await memoryOf();
  const hash = before.view.stateHash();
  await new Promise<void>((done) => before.stop({ handOver: false }, done));

  const after = open(directory, NEVER);
  const from = performance.now();
  await start(after, RECOVERY_MILLIS_MAX);
  await until(() => after.view.stateHash() === hash, RECOVERY_MILLIS_MAX);
  const tookMillis = performance.now() - from;
  await new Promise<void>((done) => after.stop({ handOver: false }, done));
  const heapBytes = (filled.heapBytes - empty.heapBytes) / ENTRIES;
  const thousands = `${ENTRIES.toLocaleString("en")} entries`;
  return [
    {
      name: `recovery of ${thousands}, no snapshot`,
      value: `${millis(tookMillis)} ms`,
      note: `${Math.round(ENTRIES / (tookMillis / 1000)).toLocaleString("en")} entries/s`,
    },
    {
      name: `memory of a node with ${thousands}`,
      value: `${Math.round(filled.rssBytes / MEGABYTE)} MB`,
      note: `heap ${Math.round(heapBytes)} B an entry and its pending job`,
    },
  ];
}

async function fill(replica: Replica): Promise<void> {
  const spec = specOf("one for all");
  let left = ENTRIES;
  const one = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await propose(replica, [{ jobId: mintId(), spec }]);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, one));
}

async function memoryOf(): Promise<{ readonly rssBytes: number; readonly heapBytes: number }> {
  Bun.gc(true);
  await Bun.sleep(500);
  Bun.gc(true);
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rssBytes: rss, heapBytes: heapUsed + external };
}
