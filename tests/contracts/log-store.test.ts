import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bunTimers } from "../../engine/bun-platform.ts";
import type { NodeId, PeerId } from "../../engine/lib/ids.ts";
import type { LogStore } from "../../engine/platform/log-store.ts";
import { initDataDirectory } from "../../engine/storage/data-directory.ts";
import { MemoryLogStore } from "../../engine/storage/memory-log-store.ts";
import { nodeFiles } from "../../engine/storage/node-files.ts";
import { SqliteLog } from "../../engine/storage/sqlite-log.ts";
import { WorkerLogStore } from "../../engine/storage/worker-log-store.ts";
import {
  describeLogStore,
  FOUNDING,
  FOUNDING_BYTES,
  LATER,
  LATER_BYTES,
  type LogStoreCase,
} from "./log-store.ts";

const timers = bunTimers();

describeLogStore("memory", "volatile", (snapshot) => {
  const open = () => new MemoryLogStore({ timers, snapshot });
  return { store: open(), reopen: open, dispose: () => undefined };
});

describeLogStore("SQLite, called synchronously", "durable", () =>
  onDisk((directory) => {
    const monotonicMillis = () => performance.now();
    return inline(new SqliteLog({ directory, expected: null, monotonicMillis }));
  }),
);

describeLogStore("SQLite in a worker", "durable", () =>
  onDisk((directory) => new WorkerLogStore({ directory, expected: null })),
);

function onDisk(open: (directory: string) => LogStore): LogStoreCase {
  const root = mkdtempSync(join(tmpdir(), "nl-log-store-"));
  const directory = join(root, "n1");
  const made = initDataDirectory({
    directory,
    clusterId: "contract",
    nodeId: "n1" as NodeId,
    peerId: 1 as PeerId,
    storeId: "store-1",
    snapshot: FOUNDING,
    snapshotBytes: FOUNDING_BYTES,
  });
  if (!made.ok) throw new Error(made.error.detail);
  const later = join(nodeFiles(directory).snapshots, LATER.id);
  return {
    store: open(directory),
    reopen: () => {
      // What a log names lies there whole; while nothing names it, opening has removed it.
      writeFileSync(later, LATER_BYTES);
      return open(directory);
    },
    dispose: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** The synchronous log behind the port: what a simulator does with it. */
function inline(log: SqliteLog): LogStore {
  return {
    boot(done) {
      const result = log.boot();
      timers.soon(() => done(result));
    },
    write(job, done) {
      const result = log.write([job]);
      timers.soon(() => done(result));
    },
    entries(lo, hi, maxBytes, done) {
      const result = log.entries(lo, hi, maxBytes);
      timers.soon(() => done(result));
    },
    recordSnapshot(snapshot, done) {
      const result = log.recordSnapshot(snapshot);
      timers.soon(() => done(result));
    },
    truncateBefore(index) {
      log.truncateBefore(index);
      for (let next = log.tend(); next.ok && next.value === 0; next = log.tend());
    },
    close(done) {
      const result = log.close();
      timers.soon(() => done(result));
    },
  };
}
