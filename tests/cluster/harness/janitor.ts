import { readFileSync, rmdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { hostKeyOf } from "../../../engine/task-host/host-key.ts";
import { isAlive, processesNaming, send } from "./processes.ts";

/**
 * Cleans up behind a lab when its standard input ends: by the lab's own close, or because the test
 * process died in whatever way. Everything that a lab starts names the lab's directory, which has
 * a random name, in its command line or its environment: those processes are ended, by their ids.
 */

const ROUNDS_MAX = 200;
const PAUSE_MILLIS = 25;

const [directory = ""] = process.argv.slice(2);
if (!directory.includes("/nl-lab-")) throw new Error("a lab's directory is needed");

await new Response(Bun.stdin.stream()).arrayBuffer();
for (let round = 0; round < ROUNDS_MAX; round++) {
  const living = processesNaming(directory).filter(isAlive);
  if (living.length === 0) break;
  for (const pid of living) send(pid, "SIGKILL");
  await Bun.sleep(PAUSE_MILLIS);
}
for (const clusterId of clusterIds()) removeContainers(clusterId);
for (const lock of found("task-host.lock")) removeCgroups(hostKeyOf(dirname(lock)));
rmSync(directory, { recursive: true, force: true });

function found(name: string): readonly string[] {
  return [...new Bun.Glob(`**/${name}`).scanSync(directory)].map((file) => join(directory, file));
}

function clusterIds(): readonly string[] {
  return found("cluster.json").map((file) => {
    const { clusterId } = JSON.parse(readFileSync(file, "utf8"));
    return String(clusterId);
  });
}

/** Empty ones, of a task host that had no time to remove them. */
function removeCgroups(hostKey: string): void {
  const groups = [...new Bun.Glob(`*/nl/${hostKey}/**/cgroup.procs`).scanSync("/sys/fs/cgroup")];
  const folders = groups.map((file) => dirname(join("/sys/fs/cgroup", file)));
  // The innermost first.
  for (const folder of folders.sort((a, b) => b.length - a.length)) {
    try {
      rmdirSync(folder);
    } catch {
      // Not root, or in use again: an empty group left behind costs nothing.
    }
  }
}

/** Containers outlive a task host that was killed. */
function removeContainers(clusterId: string): void {
  if (Bun.which("docker") === null) return;
  const filter = `label=nl.cluster=${clusterId}`;
  const found = Bun.spawnSync(["docker", "ps", "--all", "--quiet", "--filter", filter]);
  const ids = found.stdout.toString().split("\n").filter(Boolean);
  if (ids.length > 0) Bun.spawnSync(["docker", "rm", "--force", ...ids]);
}
