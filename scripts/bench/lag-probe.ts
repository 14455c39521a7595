import { writeFileSync } from "node:fs";
import { isMainThread } from "node:worker_threads";

/**
 * Preloaded into a node: looks every 5 ms how late its event loop is. On SIGUSR2 it writes what it
 * saw since the last one to `lag-<pid>.json` in its working directory.
 */
const PERIOD_MILLIS = 5;

let lateMillis: number[] = [];
let dueAt = performance.now() + PERIOD_MILLIS;

function look(): void {
  const now = performance.now();
  lateMillis.push(Math.max(0, now - dueAt));
  dueAt = now + PERIOD_MILLIS;
  setTimeout(look, PERIOD_MILLIS);
}

if (isMainThread) {
  look();
  process.on("SIGUSR2", () => {
    const sorted = lateMillis.sort((a, b) => a - b);
    lateMillis = [];
    writeFileSync(`lag-${process.pid}.json`, JSON.stringify(sorted));
  });
}
