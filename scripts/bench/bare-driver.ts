import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { AttemptId } from "../../engine/lib/ids.ts";
import { bubblewrapSandbox } from "../../engine/task-host/drivers/bubblewrap.ts";
import { Cgroups } from "../../engine/task-host/drivers/cgroups.ts";
import { DockerDriver } from "../../engine/task-host/drivers/docker.ts";
import { ProcessDriver } from "../../engine/task-host/drivers/process-driver.ts";
import type { TaskDriver } from "../../engine/task-host/task-driver.ts";
import { benchSpec, freshId } from "./payload.ts";
import { need } from "./running-cluster.ts";

const HOST_KEY = "nlbench";

export type BareDriver = { readonly run: () => Promise<number> };

/** Our own driver without a cluster around it; null when it cannot run here. */
export async function openBareDriver(
  name: "docker" | "process",
  folder: string,
): Promise<BareDriver | null> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const driver: TaskDriver =
    name === "docker"
      ? new DockerDriver(HOST_KEY)
      : new ProcessDriver({
          sandbox: bubblewrapSandbox(folder),
          cgroups: Cgroups.open(HOST_KEY),
          hostFolder: folder,
        });
  const { runsUnnamed } = await driver.probe();
  return runsUnnamed ? { run: () => runOnce(driver, folder) } : null;
}

/** Milliseconds from the order to start `true` until its exit is known. */
async function runOnce(driver: TaskDriver, folder: string): Promise<number> {
  const attemptId = `${freshId()}.1` as AttemptId;
  const own = join(folder, attemptId);
  mkdirSync(own, { mode: 0o700 });
  const from = performance.now();
  const task = need(
    await driver.start(
      {
        attemptId,
        fence: 1,
        clusterId: "bench",
        spec: benchSpec("true", ["true"]),
        folder: own,
        env: {},
        onOutput: () => undefined,
      },
      { mayStart: () => true, signal: new AbortController().signal },
    ),
  );
  const { exitCode } = await task.exited;
  const millis = performance.now() - from;
  await driver.remove(attemptId);
  rmSync(own, { recursive: true, force: true });
  if (exitCode !== 0) throw new Error(`true ended with ${exitCode}`);
  return millis;
}
