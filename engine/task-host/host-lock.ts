import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../lib/result.ts";
import { tryLock } from "./libc.ts";

/** Held as long as the process lives; the kernel releases it, also after kill -9. */
export type HostLock = { release(): void };

/** Two hosts never serve one folder: the second one is refused here, before it touches a file. */
export function lockFolder(folder: string): Result<HostLock, "held"> {
  const fd = openSync(join(folder, "task-host.lock"), "a+", 0o600);
  if (!tryLock(fd)) {
    closeSync(fd);
    return err("held");
  }
  ftruncateSync(fd, 0);
  writeSync(fd, `${process.pid}\n`);
  return ok({ release: () => closeSync(fd) });
}
