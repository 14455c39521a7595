import { command } from "../command.ts";
import { skippedSentence, writeChunk } from "../jobs/run-job.ts";
import { orFail } from "../nl-failure.ts";
import { EXIT_INTERRUPTED } from "../report-error.ts";
import { withClient } from "../with-client.ts";

const TAIL_BYTES_MAX = 64 * 1024 * 1024;

export const logs = command({
  name: "logs",
  summary: "The output of a job, on stdout and stderr as the job wrote it",
  examples: ["nl logs 01j9xk5a", "nl logs -f 01j9xk5a", "nl logs --attempt 1 01j9"],
  args: {
    follow: { type: "boolean", alias: ["f"], description: "Go on until the job is over" },
    attempt: {
      type: "string",
      valueHint: "N",
      description: "Of this attempt (default: the newest)",
    },
    tail: { type: "string", valueHint: "BYTES", description: "Only about this many last bytes" },
  },
  positionals: { name: "ID", min: 1, max: 1 },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const request = {
        jobId: invocation.first(),
        follow: invocation.isSet("follow"),
        attempt: invocation.integer("attempt", 1, 1_000_000) ?? 0,
        tailBytes: invocation.integer("tail", 1, TAIL_BYTES_MAX) ?? 0,
      };
      for await (const chunk of client.readOutput(request, world.interrupted)) {
        if (world.interrupted.aborted) return EXIT_INTERRUPTED;
        const { skippedBytes } = orFail(chunk);
        if (skippedBytes > 0) world.err(`nl: here ${skippedSentence(skippedBytes)}\n`);
        writeChunk(orFail(chunk), world);
      }
      return world.interrupted.aborted ? EXIT_INTERRUPTED : 0;
    }),
});
