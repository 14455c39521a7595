import type { Client, Job } from "../../engine/client/client.ts";
import { command } from "../command.ts";
import { durationFlag } from "../duration-flag.ts";
import { idsGiven } from "../ids-given.ts";
import { endSentence, jobExitCode } from "../jobs/job-exit-code.ts";
import { finish } from "../jobs/run-job.ts";
import { orFail } from "../nl-failure.ts";
import { EXIT_INTERRUPTED, EXIT_NOT_MET, EXIT_PARTLY_FAILED } from "../report-error.ts";
import { withClient } from "../with-client.ts";
import type { World } from "../world.ts";

const IN_FLIGHT_MAX = 256;

export const wait = command({
  name: "wait",
  summary: "Wait until jobs are over; with one job: exit as it did",
  examples: ["nl wait 01j9xk5a", "nl wait --timeout 10m 01j9 01ja", "nl ps -q | nl wait -"],
  args: {
    timeout: { type: "string", valueHint: "TIME", description: "Give up after this long, exit 9" },
  },
  positionals: { name: "ID", min: 1, max: Number.POSITIVE_INFINITY },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const text = invocation.text("timeout");
      const millis = text === null ? null : durationFlag("timeout", text);
      const ids = await idsGiven(invocation, world);
      const jobs = await waitForAll(client, ids, { world, millis });
      if (jobs === "interrupted") return EXIT_INTERRUPTED;
      if (jobs === "too-late") {
        world.err(`nl: not over after ${text}\n`);
        return EXIT_NOT_MET;
      }
      return sayEnds(jobs, world);
    }),
});

/** With one job its own exit code; with several 0 when all of them completed. */
function sayEnds(jobs: readonly Job[], world: World): number {
  const [only] = jobs;
  if (jobs.length === 1 && only !== undefined) return finish(only, world);
  const failed = jobs.filter((job) => jobExitCode(job) !== 0);
  for (const job of failed) {
    const sentence = endSentence(job);
    world.err(`${sentence === "" ? `${job.id} exited ${jobExitCode(job)}` : sentence}\n`);
  }
  return failed.length === 0 ? 0 : EXIT_PARTLY_FAILED;
}

/** Every job once it is over; several wait side by side, in the order of their ids. */
async function waitForAll(
  client: Client,
  ids: readonly string[],
  { world, millis }: { readonly world: World; readonly millis: number | null },
): Promise<readonly Job[] | "interrupted" | "too-late"> {
  const limit = millis === null ? null : AbortSignal.timeout(millis);
  const signal = AbortSignal.any([world.interrupted, ...(limit === null ? [] : [limit])]);
  const jobs: Job[] = [];
  for (let at = 0; at < ids.length; at += IN_FLIGHT_MAX) {
    const some = ids.slice(at, at + IN_FLIGHT_MAX);
    const answers = await Promise.all(some.map((id) => client.waitJob(id, signal)));
    if (world.interrupted.aborted) return "interrupted";
    if (limit?.aborted === true) return "too-late";
    jobs.push(...answers.map(orFail));
  }
  return jobs;
}
