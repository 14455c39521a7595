import type { World } from "../world.ts";
import { signal } from "./node-process.ts";
import { processesUnder } from "./process-scan.ts";
import { stopCluster } from "./stop-cluster.ts";

/**
 * What Ctrl-C does while nodes are being started: ends them and their task hosts, and leaves alone
 * what ran before. A second Ctrl-C kills them at once.
 */
export function stopWhatStarted(root: string, world: World) {
  const before = new Set(processesUnder(root).map(({ pid }) => pid));
  const forget = world.atForcedEnd(() => {
    for (const { pid } of processesUnder(root)) if (!before.has(pid)) signal(pid, "SIGKILL");
  });
  return {
    forget,
    async now(only: readonly string[]): Promise<void> {
      world.err("stopping what was started… (Ctrl-C again: kill) ");
      await stopCluster(root, { graceMillis: 0, only, except: before });
      world.err("done; nl up goes on from here\n");
    },
  };
}
