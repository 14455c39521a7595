import { command } from "../command.ts";
import { durationFlag } from "../duration-flag.ts";
import { orFail } from "../nl-failure.ts";
import { printRecord } from "../print.ts";
import { programName } from "../program-name.ts";
import { withClient } from "../with-client.ts";

export const clusterJoin = command({
  name: "join",
  summary: "Make a token for a new server, and print the command to run there",
  examples: [
    "nl cluster join",
    "nl cluster join --expires 24h --uses 2",
    "nl cluster join --revoke 01j9xk5a",
  ],
  args: {
    expires: {
      type: "string",
      valueHint: "TIME",
      description: "The token lives so long (default 1h)",
    },
    uses: {
      type: "string",
      valueHint: "N",
      description: "Nodes that may join with it (default 1)",
    },
    revoke: {
      type: "string",
      valueHint: "TOKEN",
      description: "Nobody joins with this one any more",
    },
  },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const revoked = invocation.text("revoke");
      if (revoked !== null) {
        const [id = ""] = revoked.split(".");
        orFail(await client.revokeJoinToken(id));
        world.err(`token ${id} opens nothing any more\n`);
        return 0;
      }
      const lifetimeMillis = durationFlag("expires", invocation.text("expires") ?? "1h");
      const uses = invocation.integer("uses", 1, 1_000) ?? 1;
      const made = orFail(await client.createJoinToken({ lifetimeMillis, uses }));
      const member = made.addresses[0] ?? "MEMBER:7181";
      const line =
        `${programName(world.env)} agent --join ${made.token} --addr ${member} ` +
        "--dir DIR --listen HOST:PORT";
      world.err(`on the new machine, with its own directory and address:\n\n`);
      printRecord(
        { fields: [["", line]], data: { api: "v1", ...made, command: line }, name: made.token },
        { invocation, world },
      );
      const until = new Date(made.expiresAt).toISOString().slice(0, 16).replace("T", " ");
      world.err(`\nthe token opens ${uses === 1 ? "once" : `${uses} times`}, until ${until} UTC\n`);
      return 0;
    }),
});
