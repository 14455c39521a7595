import { command } from "../command.ts";
import { jobDetail } from "../jobs/print-jobs.ts";
import { orFail } from "../nl-failure.ts";
import { formatOf } from "../print.ts";
import { withClient } from "../with-client.ts";

export const inspect = command({
  name: "inspect",
  summary: "Everything known about a job, as JSON (or -o yaml)",
  examples: ["nl inspect 01j9xk5a", "nl inspect 01j9 -o yaml"],
  positionals: { name: "ID", min: 1, max: 1 },
  run: (invocation, world) =>
    withClient({ invocation, world }, async (client) => {
      const format = formatOf(invocation);
      const { job } = orFail(await client.getJob(invocation.first()));
      const data = job === undefined ? null : jobDetail(job);
      if (format === "jsonl") world.out(`${JSON.stringify(data)}\n`);
      else if (format === "name") world.out(`${job?.id ?? ""}\n`);
      else if (format === "yaml") world.out(`${Bun.YAML.stringify(data, null, 2)}\n`);
      else world.out(`${JSON.stringify(data, null, 2)}\n`);
      return 0;
    }),
});
