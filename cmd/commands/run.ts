import { command } from "../command.ts";
import { runJob } from "../jobs/run-job.ts";
import { SPEC_ARGS, SPEC_REPEAT } from "../jobs/spec-flags.ts";
import { UsageError } from "../usage-error.ts";

export const run = command({
  name: "run",
  summary: "Run a command in the cluster as if it ran here: its output, its exit code",
  examples: [
    "nl run -- echo hello",
    "nl run --image python:3.12-alpine -- python3 -c 'print(6*7)'",
    "nl run --timeout 10m --retries 2 -e STAGE=test -- sh -c 'make test'",
    "nl run -d -- sleep 60",
  ],
  args: {
    ...SPEC_ARGS,
    detach: { type: "boolean", alias: ["d"], description: "Print the id and return" },
  },
  repeat: SPEC_REPEAT,
  takesCommand: true,
  async run(invocation, world) {
    if (invocation.command.length === 0) {
      throw new UsageError("nothing to run", "try: nl run -- echo hello");
    }
    const input = { command: [...invocation.command] };
    return runJob({ invocation, world, input, detach: invocation.isSet("detach") });
  },
});
