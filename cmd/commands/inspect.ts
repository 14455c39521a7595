import { command } from "../command.ts";
import { jobData } from "../jobs/print-jobs.ts";
import { orFail } from "../nl-failure.ts";
import { withClient } from "../with-client.ts";

export const inspect = command({
  name: "inspect",
  summary: "Everything known about a job, as JSON (or -o yaml)",
  examples: ["nl inspect 01j9xk5a", "nl inspect 01j9 -o yaml"],
  positionals: { name: "ID", min: 1, max: 1 },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const { job } = orFail(await client.getJob(invocation.first()));
      const data = job === undefined ? null : jobData(job);
      const isYaml = invocation.text("output") === "yaml";
      world.out(`${isYaml ? Bun.YAML.stringify(data, null, 2) : JSON.stringify(data, null, 2)}\n`);
      return 0;
    }),
});
