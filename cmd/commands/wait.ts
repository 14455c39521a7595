import type { Client, Job } from "../../engine/client/client.ts";
import { command } from "../command.ts";
import { durationFlag } from "../duration-flag.ts";
import { finish } from "../jobs/run-job.ts";
import { orFail } from "../nl-failure.ts";
import { EXIT_INTERRUPTED, EXIT_NOT_MET, EXIT_PARTLY_FAILED } from "../report-error.ts";
import { withClient } from "../with-client.ts";
import type { World } from "../world.ts";

const IDS_MAX = 1_000;

export const wait = command({
  name: "wait",
  summary: "Wait until jobs are over; with one job: exit as it did",
  examples: ["nl wait 01j9xk5a", "nl wait --timeout 10m 01j9 01ja"],
  args: {
    timeout: { type: "string", valueHint: "TIME", description: "Give up after this long, exit 9" },
  },
  positionals: { name: "ID", min: 1, max: IDS_MAX },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const text = invocation.text("timeout");
      const millis = text === null ? null : durationFlag("timeout", text);
      const jobs = await waitForAll(client, invocation.positionals, { world, millis });
      if (jobs === "interrupted") return EXIT_INTERRUPTED;
      if (jobs === "too-late") {
        world.err(`nl: not over after ${text}\n`);
        return EXIT_NOT_MET;
      }
      const codes = jobs.map((job) => finish(job, world));
      const [only] = codes;
      if (codes.length === 1 && only !== undefined) return only;
      return codes.every((code) => code === 0) ? 0 : EXIT_PARTLY_FAILED;
    }),
});

/** Every job once it is over; several wait side by side. */
export async function waitForAll(
  client: Client,
  ids: readonly string[],
  { world, millis }: { readonly world: World; readonly millis: number | null },
): Promise<readonly Job[] | "interrupted" | "too-late"> {
  const limit = millis === null ? null : AbortSignal.timeout(millis);
  const signal = AbortSignal.any([world.interrupted, ...(limit === null ? [] : [limit])]);
  const answers = await Promise.all(ids.map((id) => client.waitJob(id, signal)));
  if (world.interrupted.aborted) return "interrupted";
  if (limit?.aborted === true) return "too-late";
  return answers.map(orFail);
}
