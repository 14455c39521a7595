import { existsSync, readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { bunClock, bunRandom } from "../../engine/bun-platform.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import type { NodeId } from "../../engine/lib/ids.ts";
import { createCluster } from "../../engine/new-cluster.ts";
import { command } from "../command.ts";
import { LISTEN_ARGS, listenAddresses } from "../local/listen-addresses.ts";
import { certificateUser } from "../local/user-name.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import { programName } from "../program-name.ts";
import { UsageError } from "../usage-error.ts";

export const clusterInit = command({
  name: "init",
  summary: "Make the first server of a new cluster on this machine; the others join it",
  examples: [
    "nl cluster init --dir /var/lib/nl --listen 10.0.0.1:7171",
    "nl cluster init --name prod --dir ./prod --listen 10.0.0.1:7171",
  ],
  args: {
    dir: {
      type: "string",
      valueHint: "DIR",
      description: "Made by this command: DIR/n1, DIR/client",
    },
    name: { type: "string", valueHint: "NAME", description: "Of the cluster (default nl)" },
    ...LISTEN_ARGS,
  },
  async run(invocation, world) {
    const given = invocation.text("dir");
    const addresses = listenAddresses(invocation);
    if (given === null) throw new UsageError("--dir is missing", "for example: --dir /var/lib/nl");
    if (addresses === null) {
      throw new UsageError(
        "--listen is missing",
        "the address that others reach: --listen 10.0.0.1:7171",
      );
    }
    const directory = resolve(given);
    if (existsSync(directory) && readdirSync(directory).length > 0) {
      throw new NlFailure(
        nlError(
          "refused",
          `${directory} is not empty`,
          "nothing was changed: name another directory",
        ),
      );
    }
    const name = invocation.text("name") ?? "nl";
    const clusterId = orFail(
      await createCluster({
        ...{ directory, name, user: certificateUser(world.env) },
        nodes: [{ id: "n1" as NodeId, ...addresses }],
        platform: { clock: bunClock(), random: bunRandom() },
        files: () => ({}),
      }),
    );
    const program = programName(world.env);
    world.err(`made cluster ${clusterId} with one server, n1\n\n`);
    world.err(`  start it     ${program} agent --dir ${join(directory, "n1")}\n`);
    world.err(`  use it       ${program} -a ${addresses.rpcAddress} --data ${directory} status\n`);
    world.err(
      `  add servers  ${program} -a ${addresses.rpcAddress} --data ${directory} cluster join\n\n`,
    );
    world.err("! one server tolerates no failure: add two\n");
    world.out(`${directory}\n`);
    return 0;
  },
});
