import { closeSync, fsyncSync, openSync } from "node:fs";
import { join } from "node:path";

/** The layout of one node's data directory; others add `nl.log`, `tasks/` and `certs/`. */
export const nodeFiles = (directory: string) => ({
  log: join(directory, "log.sqlite"),
  wal: join(directory, "log.sqlite-wal"),
  /** While a broken log is rebuilt; and the broken one, until its node has been repaired. */
  rebuilt: join(directory, "log.rebuilt.sqlite"),
  damaged: join(directory, "log.damaged.sqlite"),
  /** Who holds the lock: only to name it, the lock itself is SQLite's. */
  pid: join(directory, "log.pid"),
  mark: join(directory, "mark"),
  snapshots: join(directory, "snapshots"),
  /** Room that is set aside for the day when the disk is full. */
  ballast: join(directory, "ballast"),
});

export const FILE_MODE = 0o600;
export const DIRECTORY_MODE = 0o700;

/** Makes a file's bytes durable, or a directory's names: creations, renames, removals. */
export function syncPath(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
