import { heapStats } from "bun:jsc";
import { writeFileSync } from "node:fs";

/**
 * Preloaded into a node: on SIGUSR2 it collects garbage and writes the size of its heap (what
 * array buffers hold included) to `heap-<pid>.json` in its working directory.
 */
process.on("SIGUSR2", () => {
  Bun.gc(true);
  const { heapSize } = heapStats();
  const report = { heapBytes: heapSize, rssBytes: process.memoryUsage.rss() };
  writeFileSync(`heap-${process.pid}.json`, JSON.stringify(report));
});
