import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
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
rmSync(directory, { recursive: true, force: true });

function clusterIds(): readonly string[] {
  const files = [...new Bun.Glob("**/cluster.json").scanSync(directory)];
  return files.map((file) => {
    const { clusterId } = JSON.parse(readFileSync(join(directory, file), "utf8"));
    return String(clusterId);
  });
}

/** Containers outlive a task host that was killed. */
function removeContainers(clusterId: string): void {
  if (Bun.which("docker") === null) return;
  const filter = `label=nl.cluster=${clusterId}`;
  const found = Bun.spawnSync(["docker", "ps", "--all", "--quiet", "--filter", filter]);
  const ids = found.stdout.toString().split("\n").filter(Boolean);
  if (ids.length > 0) Bun.spawnSync(["docker", "rm", "--force", ...ids]);
}
