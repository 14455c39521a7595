import type { Client, Node } from "../../engine/client/client.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import { command } from "../command.ts";
import { durationFlag } from "../duration-flag.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import { EXIT_INTERRUPTED, EXIT_NOT_MET } from "../report-error.ts";
import { withClient } from "../with-client.ts";
import type { World } from "../world.ts";

const DEADLINE_DEFAULT = "1h";
const POLL_MILLIS = 500;

export const drain = command({
  name: "drain",
  summary: "Take a node out of work; exits 0 only when it is empty",
  examples: ["nl drain n3", "nl drain n3 --deadline 5m", "nl drain n3 --detach"],
  args: {
    deadline: {
      type: "string",
      valueHint: "TIME",
      description: "Running work may finish until then (default 1h)",
    },
    message: { type: "string", valueHint: "TEXT", description: "Why, for the others" },
    detach: { type: "boolean", alias: ["d"], description: "Record the intent and return" },
    timeout: {
      type: "string",
      valueHint: "TIME",
      description: "Stop watching after this long, exit 9",
    },
  },
  positionals: { name: "NODE", min: 1, max: 1 },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const nodeId = invocation.first();
      const deadlineMillis = durationFlag(
        "deadline",
        invocation.text("deadline") ?? DEADLINE_DEFAULT,
      );
      const limit = invocation.text("timeout");
      const limitMillis = limit === null ? null : durationFlag("timeout", limit);
      orFail(
        await client.drainNode({
          nodeId,
          deadlineMillis,
          message: invocation.text("message") ?? "",
        }),
      );
      if (invocation.isSet("detach")) {
        world.err(`${nodeId} is draining; undo: nl undrain ${nodeId}\n`);
        return 0;
      }
      return watchDrain(client, { nodeId, world, limitMillis });
    }),
});

/** Tells the truth: `drained` only when it is, a time-out as a time-out. */
async function watchDrain(
  client: Client,
  options: { readonly nodeId: string; readonly world: World; readonly limitMillis: number | null },
): Promise<number> {
  const { nodeId, world, limitMillis } = options;
  const started = performance.now();
  let told = -1;
  for (;;) {
    const node = await findNode(client, nodeId);
    if (node.eligibility === "drained") {
      world.err(`${nodeId} is drained; undo: nl undrain ${nodeId}\n`);
      return 0;
    }
    if (node.eligibility === "ready") {
      throw new NlFailure(
        nlError("refused", `the drain of ${nodeId} was undone`, "nl drain starts it again"),
      );
    }
    const left = node.running + node.assigned;
    if (left !== told) world.err(`draining ${nodeId}: ${left} left\n`);
    told = left;
    if (world.interrupted.aborted) {
      world.err(`${nodeId} is still draining; undo: nl undrain ${nodeId}\n`);
      return EXIT_INTERRUPTED;
    }
    if (limitMillis !== null && performance.now() - started > limitMillis) {
      world.err(`${nodeId} is not drained yet (${left} left); it goes on draining\n`);
      return EXIT_NOT_MET;
    }
    await Bun.sleep(POLL_MILLIS);
  }
}

async function findNode(client: Client, nodeId: string): Promise<Node> {
  const { nodes } = orFail(await client.listNodes());
  const node = nodes.find(({ id }) => id === nodeId);
  if (node !== undefined) return node;
  const known = nodes.map(({ id }) => id).join(", ");
  throw new NlFailure(nlError("not_found", `no node "${nodeId}"`, `there are: ${known}`));
}
