import { writeSync } from "node:fs";
import type { Index, PeerId, Term } from "../lib/ids.ts";
import type { Boot, PersistJob } from "../raft/types.ts";
import { WorkerLogStore } from "./worker-log-store.ts";

/**
 * A process that writes for ever, several jobs at a time, and says on stdout what was acked:
 * `booted <last index>`, `acked <index> <term>`, `failed <kind>`. Truncates while it writes
 * when it is told an index. Started by `process.test.ts`.
 */

const [directory = "", entryBytes = "100", truncateBefore = "0"] = process.argv.slice(2);
const IN_FLIGHT = 8;
/** A new term, with a vote, every so many entries. */
const ENTRIES_PER_TERM = 50;

const store = new WorkerLogStore({ directory, expected: null });
const data = new Uint8Array(Number(entryBytes)).fill(0x61);
let nextIndex = 0;
let seq = 0;

store.boot((booted) => {
  if (!booted.ok) {
    say(`failed ${booted.error.kind}`);
    process.exit(1);
  }
  start(booted.value);
});

function start(boot: Boot): void {
  nextIndex = boot.lastIndex + 1;
  say(`booted ${boot.lastIndex} ${boot.damaged ? "damaged" : "whole"}`);
  if (truncateBefore !== "0") store.truncateBefore(Number(truncateBefore) as Index);
  for (let at = 0; at < IN_FLIGHT; at++) writeNext();
}

function writeNext(): void {
  const index = nextIndex as Index;
  nextIndex += 1;
  seq += 1;
  const term = Math.ceil(index / ENTRIES_PER_TERM) as Term;
  store.write(jobOf(index, term), (result) => {
    if (!result.ok) {
      say(`failed ${result.error.kind}`);
      process.exit(1);
    }
    say(`acked ${index} ${term}`);
    writeNext();
  });
}

function jobOf(index: Index, term: Term): PersistJob {
  return {
    seq,
    hardState: { term, votedFor: 1 as PeerId, commit: (index - 1) as Index },
    entries: [{ index, term, kind: "normal", data }],
    snapshot: null,
    fsync: true,
  };
}

/** Past every buffer of this process: what was said was acked, whenever the kill comes. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
