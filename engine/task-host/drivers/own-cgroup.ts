import { mkdirSync, readdirSync, rmdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { HOST_CGROUP } from "./cgroups.ts";

/**
 * Moves this process out of its agent's cgroups, so that stopping, freezing or limiting the agent
 * (a service manager does that by cgroup) does not reach the tasks. Where that is not allowed the
 * host stays where it is.
 */
export function leaveParentCgroup(hostKey: string, root = "/sys/fs/cgroup"): void {
  if (process.getuid?.() !== 0) return;
  for (const hierarchy of hierarchies(root)) {
    const folder = join(hierarchy, "nl", hostKey, HOST_CGROUP);
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "cgroup.procs"), `${process.pid}`);
    } catch {
      // This hierarchy is not ours to change, for example in a container.
    }
  }
}

/** Before the process ends: removes what `leaveParentCgroup` made, as far as it is empty. */
export function removeOwnCgroup(hostKey: string, root = "/sys/fs/cgroup"): void {
  if (process.getuid?.() !== 0) return;
  for (const hierarchy of hierarchies(root)) {
    const parent = join(hierarchy, "nl");
    try {
      writeFileSync(join(parent, "cgroup.procs"), `${process.pid}`);
      rmdirSync(join(parent, hostKey, HOST_CGROUP));
      rmdirSync(join(parent, hostKey));
    } catch {
      // Not made, or not empty: an empty group left behind costs nothing.
    }
  }
}

/** Version 2 has one for everything, version 1 one for each controller. */
function hierarchies(root: string): readonly string[] {
  try {
    const names = readdirSync(root);
    if (names.includes("cgroup.controllers")) return [root];
    // `cpuset` takes no process before it is told which processors it has.
    return names.filter((name) => name !== "cpuset").map((name) => join(root, name));
  } catch {
    return [];
  }
}
