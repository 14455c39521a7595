import { bubblewrapSandbox } from "../../engine/task-host/drivers/bubblewrap.ts";
import { Cgroups } from "../../engine/task-host/drivers/cgroups.ts";
import { plainSandbox } from "../../engine/task-host/drivers/plain.ts";
import { ProcessDriver } from "../../engine/task-host/drivers/process-driver.ts";
import { unshareSandbox } from "../../engine/task-host/drivers/unshare.ts";
import { DriverLab } from "./driver-lab.ts";

/**
 * Runs shell scripts as tasks, for a test that wants it done by an ordinary user:
 * `SANDBOX PIDS SCRIPT…`. Prints the probe and what became of each script, as JSON.
 */
const [sandboxName = "", pids = "", ...scripts] = process.argv.slice(2);
const cgroups = Cgroups.open("never");
const lab = new DriverLab((hostFolder) => {
  const sandboxes = [bubblewrapSandbox(hostFolder), unshareSandbox(), plainSandbox()];
  const sandbox = sandboxes.find(({ name }) => name === sandboxName) ?? plainSandbox();
  return new ProcessDriver({ sandbox, cgroups, hostFolder });
});
const resources = { cpuMillis: 500, memoryBytes: 64 * 1024 * 1024, pids: Number(pids) };

const { status } = await lab.driver.probe();
const results = [];
for (const script of scripts) results.push(await lab.run(["sh", "-c", script], { resources }));
lab.remove();
console.log(JSON.stringify({ status, results }));
