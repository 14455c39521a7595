import { afterAll, setDefaultTimeout } from "bun:test";
import { readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { bubblewrapSandbox } from "../../engine/task-host/drivers/bubblewrap.ts";
import { Cgroups } from "../../engine/task-host/drivers/cgroups.ts";
import { DockerDriver } from "../../engine/task-host/drivers/docker.ts";
import { plainSandbox } from "../../engine/task-host/drivers/plain.ts";
import { ProcessDriver } from "../../engine/task-host/drivers/process-driver.ts";
import type { Sandbox } from "../../engine/task-host/drivers/sandbox.ts";
import { unshareSandbox } from "../../engine/task-host/drivers/unshare.ts";
import { isMissing } from "../support/requirements.ts";
import { taskDriverContract } from "./task-driver.ts";

// Real processes and containers, on machines that do much else.
setDefaultTimeout(30_000);

const CGROUPS = "/sys/fs/cgroup";
const hostKey = `contract-${process.pid}`;
const cgroups = Cgroups.open(hostKey);
const limitsMemory = cgroups !== null;

afterAll(() => {
  if (cgroups === null) return;
  const hierarchies = readdirSync(CGROUPS).map((name) => join(CGROUPS, name));
  for (const hierarchy of [CGROUPS, ...hierarchies]) {
    try {
      rmdirSync(join(hierarchy, "nl", hostKey));
    } catch {
      // There is none in this hierarchy.
    }
  }
});

const processDriver = (sandbox: (folder: string) => Sandbox) => (folder: string) =>
  new ProcessDriver({ sandbox: sandbox(folder), cgroups, hostFolder: folder });

const sandboxed = { isSandbox: true, limitsMemory, isAdoptable: false };

if (!isMissing("docker")) {
  const traits = { isSandbox: true, limitsMemory: true, isAdoptable: true };
  taskDriverContract("docker", () => new DockerDriver(hostKey), traits);
}
if (!isMissing("bubblewrap")) {
  taskDriverContract("bubblewrap", processDriver(bubblewrapSandbox), sandboxed);
}
taskDriverContract("unshare", processDriver(unshareSandbox), sandboxed);
taskDriverContract("plain", processDriver(plainSandbox), { ...sandboxed, isSandbox: false });
