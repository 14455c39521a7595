import { command } from "../command.ts";
import type { Invocation } from "../invocation.ts";
import { openSource } from "../jobs/job-lines.ts";
import { chosenId, finish, printId } from "../jobs/run-job.ts";
import { readSpecFile } from "../jobs/spec-file.ts";
import { parseSpec, SPEC_ARGS, SPEC_REPEAT, specInput } from "../jobs/spec-flags.ts";
import { submitLines } from "../jobs/submit-lines.ts";
import { orFail } from "../nl-failure.ts";
import { formatOf } from "../print.ts";
import { EXIT_INTERRUPTED } from "../report-error.ts";
import { UsageError } from "../usage-error.ts";
import { withClient } from "../with-client.ts";
import type { World } from "../world.ts";

export const submit = command({
  name: "submit",
  summary: "Submit a job and print its id; many with --jsonl",
  examples: [
    "nl submit -- make test",
    "nl submit -f job.yaml --wait",
    "generate-jobs | nl submit --jsonl -f -",
  ],
  args: {
    ...SPEC_ARGS,
    file: {
      type: "string",
      alias: ["f"],
      valueHint: "FILE|-",
      description: "Spec as YAML or JSON",
    },
    jsonl: { type: "boolean", description: "One JSON spec a line, many jobs" },
    wait: { type: "boolean", description: "Wait until it is over, exit as it did" },
  },
  repeat: SPEC_REPEAT,
  takesCommand: true,
  run: (invocation, world) =>
    invocation.isSet("jsonl") ? submitMany(invocation, world) : submitOne(invocation, world),
});

async function submitMany(invocation: Invocation, world: World): Promise<number> {
  if (invocation.command.length > 0) {
    throw new UsageError("--jsonl takes its commands from the lines", "each line is a whole spec");
  }
  if (invocation.isSet("wait")) {
    throw new UsageError("--jsonl does not wait", "nl submit --jsonl … > ids; nl wait - < ids");
  }
  if (invocation.isGiven("id")) throw new UsageError("--id is of one job", '{"id": …} in a line');
  const source = openSource(invocation.text("file") ?? "-", world);
  const [flags, format] = [specInput(invocation), invocation.text("output")];
  return withClient({ invocation, world }, (client) =>
    submitLines(client, { source, flags, world, format }),
  );
}

async function submitOne(invocation: Invocation, world: World): Promise<number> {
  const format = formatOf(invocation);
  const spec = await parseSpec({
    ...(await bodyOf(invocation, world)),
    ...specInput(invocation),
  });
  return withClient({ invocation, world }, async (client) => {
    const jobId = chosenId(invocation);
    orFail(await client.submitJob({ jobId, spec }));
    printId(jobId, format, world);
    if (!invocation.isSet("wait")) return 0;
    const job = await client.waitJob(jobId, world.interrupted);
    if (world.interrupted.aborted) return EXIT_INTERRUPTED;
    return finish(orFail(job), world);
  });
}

async function bodyOf(invocation: Invocation, world: World): Promise<Record<string, unknown>> {
  const file = invocation.text("file");
  if (file === null && invocation.command.length === 0) {
    throw new UsageError("nothing to submit", "try: nl submit -- echo hello, or -f job.yaml");
  }
  const document = file === null ? {} : await readSpecFile(file, world);
  return invocation.command.length === 0
    ? document
    : { ...document, command: [...invocation.command] };
}
