import { tmpdir } from "node:os";
import { join } from "node:path";
import { Interrupted } from "../interrupted.ts";
import type { World } from "../world.ts";
import { livingProcess, releaseProcessFile, tryHoldProcessFile } from "./process-file.ts";

const POLL_MILLIS = 100;

/**
 * Runs `work` while no other nl of this user starts or stops the cluster in `root`: two at once
 * would take each other's ports. The lock of a holder that is dead counts for nothing. It is not in
 * `root`, which may not exist yet, nor beside it, where this user may not write.
 */
export async function withRootLock<T>(
  root: string,
  world: World,
  work: () => Promise<T>,
): Promise<T> {
  const path = lockPath(root, world.env);
  await take(path, world);
  try {
    return await work();
  } finally {
    releaseProcessFile(path);
  }
}

function lockPath(root: string, env: World["env"]): string {
  const runtime = env["XDG_RUNTIME_DIR"];
  const folder = runtime === undefined || runtime === "" ? tmpdir() : runtime;
  return join(folder, `nl-${process.getuid?.() ?? 0}-${Bun.hash(root).toString(36)}.lock`);
}

async function take(path: string, world: World): Promise<void> {
  let told = false;
  while (!tryHoldProcessFile(path)) {
    if (world.interrupted.aborted) throw new Interrupted("nothing was changed");
    const holder = livingProcess(path);
    if (!told && holder !== null) {
      world.err(`waiting for another nl that is at work here (pid ${holder})…\n`);
      told = true;
    }
    await Bun.sleep(POLL_MILLIS);
  }
}
