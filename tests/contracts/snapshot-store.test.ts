import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bunTimers } from "../../engine/bun-platform.ts";
import { MemorySnapshots, snapshotMemory } from "../../engine/storage/memory-snapshots.ts";
import { SnapshotFiles } from "../../engine/storage/snapshot-files.ts";
import { describeSnapshotStore } from "./snapshot-store.ts";

const timers = bunTimers();

describeSnapshotStore("memory", () => {
  const memory = snapshotMemory();
  const open = () => new MemorySnapshots(timers, memory);
  return { store: open(), reopen: open, dispose: () => undefined };
});

describeSnapshotStore("files", () => {
  const directory = mkdtempSync(join(tmpdir(), "nl-snapshots-"));
  const open = () => new SnapshotFiles(directory);
  const dispose = () => rmSync(directory, { recursive: true, force: true });
  return { store: open(), reopen: open, dispose };
});
