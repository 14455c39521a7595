import { closeSync, linkSync, openSync, renameSync, rmSync } from "node:fs";
import type { HardState, SnapshotMeta } from "../raft/types.ts";
import { isSamePosition, type Position } from "./chain.ts";
import { createTables, type LogTables, openTables, type StoredEntry } from "./log-tables.ts";
import type { Identity } from "./mark-file.ts";
import { FILE_MODE, nodeFiles, syncPath } from "./node-files.ts";
import { goodEntries } from "./scan-log.ts";
import { StorageFault } from "./storage-fault.ts";

/** What of a broken log is known to be good: its records, and its entries in (base, last]. */
export type GoodPart = {
  readonly identity: Identity;
  readonly snapshot: SnapshotMeta | null;
  readonly hardState: HardState | null;
  readonly base: Position;
  readonly last: Position;
};

/** Rows a transaction. */
const CHUNK = 2_000;

/**
 * A database with a rotten page answers one question well and the next one wrongly: the good part
 * moves to a new file, which takes the place of the old one at once. The old one is kept beside it
 * until the node has been repaired. The mark must say already that this log is damaged.
 */
export function rebuildLog(directory: string, old: LogTables, good: GoodPart): LogTables {
  const files = nodeFiles(directory);
  writeNew(files.rebuilt, old, good);
  // Its frames must not be played onto the new file.
  old.checkpoint("TRUNCATE");
  rmSync(files.wal, { force: true });
  rmSync(files.damaged, { force: true });
  linkSync(files.log, files.damaged);
  renameSync(files.rebuilt, files.log);
  syncPath(directory);
  const tables = openTables(files.log);
  old.close();
  return tables;
}

function writeNew(path: string, old: LogTables, good: GoodPart): void {
  for (const left of [path, `${path}-wal`, `${path}-shm`]) rmSync(left, { force: true });
  closeSync(openSync(path, "wx", FILE_MODE));
  const tables = createTables(path);
  try {
    tables.transact(() => {
      tables.put("identity", good.identity);
      if (good.snapshot !== null) tables.put("snapshot", good.snapshot);
      tables.put("base", good.base);
      if (good.hardState !== null) tables.put("hard_state", good.hardState);
    });
    copyEntries(old, tables, good);
    tables.checkpoint("TRUNCATE");
  } finally {
    tables.close();
  }
  rmSync(`${path}-wal`, { force: true });
  syncPath(path);
}

/** Reads as the scan did that found them good: another way through the pages may end elsewhere. */
function copyEntries(old: LogTables, tables: LogTables, { base, last }: GoodPart): void {
  const reached = { last: base, isBroken: false };
  let chunk: StoredEntry[] = [];
  const flush = (): void => {
    tables.transact(() => {
      for (const { entry, chain } of chunk) tables.insert(entry, chain);
    });
    tables.checkpoint("TRUNCATE");
    chunk = [];
  };
  for (const stored of goodEntries(old, base, reached)) {
    if (stored.entry.index > last.index) break;
    chunk.push(stored);
    if (chunk.length === CHUNK) flush();
    if (stored.entry.index === last.index) break;
  }
  flush();
  if (isSamePosition(reached.last, last)) return;
  throw new StorageFault(
    "corrupt",
    "reading the log twice gave two answers: keep the directory, and replace the disk",
  );
}
