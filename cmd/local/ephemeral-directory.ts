import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bunClock, bunRandom } from "../../engine/bun-platform.ts";
import type { NodeId } from "../../engine/lib/ids.ts";
import { createCluster } from "../../engine/new-cluster.ts";
import { orFail } from "../nl-failure.ts";
import type { World } from "../world.ts";
import { DEFAULT_PORT } from "./found-cluster.ts";
import { findFreeRow } from "./ports.ts";

/**
 * A cluster of one node whose log and state stay in memory. Clients still need certificates and an
 * address: they stand in a temporary directory that is removed with the node.
 */
export async function ephemeralDirectory(
  world: World,
): Promise<{ readonly nodeDirectory: string; remove(): Promise<void> }> {
  const root = join(await mkdtemp(join(tmpdir(), "nl-ephemeral-")), "dev");
  const port = (await findFreeRow(DEFAULT_PORT, 1, 1)) ?? DEFAULT_PORT;
  const node = { id: "n1", rpcPort: port, httpPort: port + 10 };
  orFail(
    await createCluster({
      directory: root,
      name: "ephemeral",
      nodes: [
        {
          id: node.id as NodeId,
          rpcAddress: `127.0.0.1:${node.rpcPort}`,
          httpAddress: `127.0.0.1:${node.httpPort}`,
        },
      ],
      user: "admin",
      platform: { clock: bunClock(), random: bunRandom() },
      files: (clusterId) => ({
        "cluster.json": JSON.stringify({ format: 1, name: "ephemeral", clusterId, nodes: [node] }),
      }),
    }),
  );
  world.err(`everything is in memory and ends with this process. Use it with: --data ${root}\n`);
  return {
    nodeDirectory: join(root, node.id),
    remove: () => rm(join(root, ".."), { recursive: true, force: true }),
  };
}
