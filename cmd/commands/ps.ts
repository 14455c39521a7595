import type { Job } from "../../engine/client/client.ts";
import { JOB_STATES } from "../../engine/view/filter.ts";
import { command } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { jobPrinting } from "../jobs/print-jobs.ts";
import { orFail } from "../nl-failure.ts";
import { formatOf, printRows } from "../print.ts";
import { UsageError } from "../usage-error.ts";
import { withClient } from "../with-client.ts";

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000_000;
const PAGE = 500;
const LIVE_STATES = ["pending", "assigned", "running"];

export const ps = command({
  name: "ps",
  summary: "List jobs, newest first: those not over, or with --all every one",
  examples: ["nl ps", "nl ps --all", "nl ps --state failed -o wide", "nl ps -q"],
  args: {
    all: { type: "boolean", description: "Also jobs that are over" },
    state: {
      type: "string",
      alias: ["s"],
      valueHint: "STATE",
      description: "Only this state; may be repeated",
    },
    node: { type: "string", valueHint: "NODE", description: "Only jobs of this node" },
    name: { type: "string", valueHint: "NAME", description: "Only jobs of this name" },
    limit: {
      type: "string",
      valueHint: "N",
      description: `At most this many (default ${LIMIT_DEFAULT})`,
    },
    stale: { type: "boolean", description: "Answer from the asked node at once, without a quorum" },
  },
  repeat: ["state"],
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const states = wantedStates(invocation);
      formatOf(invocation);
      const limit = invocation.integer("limit", 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
      const jobs: Job[] = [];
      let cursor = "";
      let total = 0;
      do {
        const page = orFail(
          await client.listJobs({
            states: [...states],
            nodeId: invocation.text("node") ?? "",
            name: invocation.text("name") ?? "",
            limit: Math.min(PAGE, limit - jobs.length),
            stale: invocation.isSet("stale"),
            cursor,
          }),
        );
        jobs.push(...page.jobs);
        cursor = page.nextCursor;
        total = page.total;
      } while (cursor !== "" && jobs.length < limit);
      printRows(jobs, jobPrinting(world.now()), { invocation, world });
      if (jobs.length < total) world.err(`showing ${jobs.length} of ${total}; more with --limit\n`);
      return 0;
    }),
});

function wantedStates(invocation: Invocation): readonly string[] {
  const states = invocation.list("state").flatMap((text) => text.split(","));
  for (const state of states) {
    if (!JOB_STATES.some((known) => known === state)) {
      throw new UsageError(`unknown state "${state}"`, `one of: ${JOB_STATES.join(", ")}`);
    }
  }
  if (states.length > 0) return states;
  return invocation.isSet("all") ? [] : LIVE_STATES;
}
