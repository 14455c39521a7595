import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { bunClock } from "../../engine/bun-platform.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import type { NodeId } from "../../engine/lib/ids.ts";
import type { Result } from "../../engine/lib/result.ts";
import { command } from "../command.ts";
import { NlFailure } from "../nl-failure.ts";
import { UsageError } from "../usage-error.ts";

export const certsInit = command({
  name: "init",
  summary: "Make a certificate authority with certificates for nodes and one administrator",
  examples: ["nl certs init --cluster prod --node n1=10.0.0.1 --node n2=10.0.0.2 ./certs"],
  args: {
    cluster: {
      type: "string",
      valueHint: "ID",
      description: "Cluster id the certificates are for",
    },
    node: {
      type: "string",
      valueHint: "ID=HOST",
      description: "A node and its address; may be repeated",
    },
    user: {
      type: "string",
      valueHint: "NAME",
      description: "Administrator's name (default admin)",
    },
  },
  repeat: ["node"],
  positionals: { name: "DIR", min: 1, max: 1 },
  async run(invocation, world) {
    const directory = resolve(invocation.first());
    const clusterId = invocation.text("cluster");
    if (clusterId === null)
      throw new UsageError("--cluster is missing", "see: nl certs init --help");
    if (existsSync(join(directory, "ca.pem"))) {
      throw new NlFailure(
        nlError(
          "wrong_state",
          `${directory} already holds an authority`,
          "it was left as it is; name another directory",
        ),
      );
    }
    const { certificateSet } = await import("../certificate-set.ts");
    const made = await certificateSet({
      directory,
      clusterId,
      nodes: invocation.list("node").map(parseNode),
      user: invocation.text("user") ?? "admin",
      now: bunClock().now(),
    });
    unwrap(made);
    world.err(`made an authority for "${clusterId}" in ${directory}\n`);
    world.out(`${directory}\n`);
    return 0;
  },
});

function parseNode(text: string): { readonly id: NodeId; readonly host: string } {
  const [id, host, ...more] = text.split("=");
  if (id === undefined || id === "" || host === undefined || host === "" || more.length > 0) {
    throw new UsageError(`"${text}" is not ID=HOST`, "for example: --node n1=10.0.0.1");
  }
  return { id: id as NodeId, host };
}

function unwrap(result: Result<void, string>): void {
  if (!result.ok) throw new NlFailure(nlError("invalid_argument", result.error));
}
