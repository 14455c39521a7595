import { existsSync, readdirSync } from "node:fs";
import { bunRandom } from "../../engine/bun-platform.ts";
import type { Invocation } from "../invocation.ts";
import { orFail } from "../nl-failure.ts";
import { UsageError } from "../usage-error.ts";
import { VERSION } from "../version.ts";
import type { World } from "../world.ts";
import { LISTEN_ARGS, listenAddresses, parseAddress } from "./listen-addresses.ts";

export const JOIN_ARGS = {
  join: {
    type: "string",
    valueHint: "TOKEN",
    description:
      "Join a cluster first (nl cluster join makes the token); --addr names a member's web address",
  },
  name: {
    type: "string",
    valueHint: "NODE",
    description: "Join under this name (default: the next)",
  },
  learner: {
    type: "boolean",
    description: "Join without a vote (nl cluster promote gives it one)",
  },
  ...LISTEN_ARGS,
} as const;

/**
 * Makes `directory` the directory of a node that has joined, or moves the node that is there. With a
 * token and a node that is there already, as after a restart, the token is not needed any more.
 */
export async function joinOrMove(
  directory: string,
  invocation: Invocation,
  world: World,
): Promise<void> {
  const token = invocation.text("join");
  const isThere = existsSync(directory) && readdirSync(directory).length > 0;
  if (token === null || isThere) {
    await move(directory, invocation);
    return;
  }
  const addresses = listenAddresses(invocation);
  if (addresses === null) {
    throw new UsageError(
      "--listen is missing",
      "where the others reach this node: --listen 10.0.0.4:7171",
    );
  }
  const member = invocation.text("addr") ?? "127.0.0.1:7181";
  parseAddress("addr", member);
  const { joinNode } = await import("../../engine/joined-node.ts");
  const joined = orFail(
    await joinNode({
      ...{ directory, token, member, addresses, version: VERSION, random: bunRandom() },
      name: invocation.text("name") ?? "",
      learner: invocation.isSet("learner"),
    }),
  );
  world.err(`joined cluster "${joined.clusterName}" as ${joined.nodeId}\n`);
}

async function move(directory: string, invocation: Invocation): Promise<void> {
  const addresses = listenAddresses(invocation);
  if (addresses === null) return;
  const { ownerOf } = await import("../../engine/open-node.ts");
  const { writeNodeAddresses } = await import("../../engine/node-addresses.ts");
  orFail(ownerOf(directory));
  writeNodeAddresses(directory, addresses);
}
