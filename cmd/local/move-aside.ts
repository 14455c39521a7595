import { existsSync, readdirSync } from "node:fs";
import { rename } from "node:fs/promises";
import { nlError } from "../../engine/lib/error-code.ts";
import { NlFailure } from "../nl-failure.ts";
import type { World } from "../world.ts";
import { clusterFile } from "./cluster-file.ts";
import { forPeople } from "./data-root.ts";
import { stopCluster } from "./stop-cluster.ts";

/** Stops the cluster in `root` and keeps its data under another name. Only what nl made is moved. */
export async function moveAside(root: string, world: World): Promise<void> {
  if (!existsSync(root)) return;
  if (!existsSync(clusterFile(root))) {
    if (readdirSync(root).length === 0) return;
    throw new NlFailure(
      nlError(
        "refused",
        `${root} is not a cluster of nl: it was not moved`,
        "name another: --data DIR",
      ),
    );
  }
  const { stuck } = await stopCluster(root, { graceMillis: 0 });
  if (stuck.length > 0) {
    throw new NlFailure(
      nlError("refused", `a process of ${stuck.join(", ")} did not end`, "nothing was moved"),
    );
  }
  const aside = `${root}.${stampOf(world.now())}`;
  await rename(root, aside);
  world.err(`moved the old data to ${forPeople(aside, world.env)}\n`);
}

/** `2026-11-22T050112`, UTC. */
const stampOf = (now: number): string =>
  new Date(now).toISOString().slice(0, 19).replaceAll(":", "");
