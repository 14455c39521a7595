import { closeSync, mkdirSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import { err, ok, type Result } from "../lib/result.ts";
import { processEnvironment } from "../lib/runtime-environment.ts";

/** What a host has to say fits; a log that grew beyond this starts anew with the next host. */
const LOG_BYTES_MAX = 1024 * 1024;

/**
 * Starts a host in a session of its own, so that nothing that ends its agent ends it. Whether it
 * serves the folder is decided by its lock, so one too many does no harm. Value: its process id.
 */
export function spawnTaskHost(
  directory: string,
  command: readonly string[],
): Result<number, string> {
  try {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const path = join(directory, "task-host.log");
    const isLong = (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > LOG_BYTES_MAX;
    const log = openSync(path, isLong ? "w" : "a", 0o600);
    const env = processEnvironment(process.env);
    const child = Bun.spawn([...command], {
      cwd: "/",
      env,
      stdio: ["ignore", log, log],
      detached: true,
    });
    closeSync(log);
    child.unref();
    return ok(child.pid);
  } catch (error) {
    return err(String(error));
  }
}
