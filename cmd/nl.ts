import { dispatch } from "./front.ts";
import { NlFailure } from "./nl-failure.ts";
import { realWorld } from "./real-world.ts";
import { EXIT_BUG, EXIT_NL_TROUBLE, EXIT_USAGE, exitCodeOf, reportError } from "./report-error.ts";
import { tree } from "./tree.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

/** Commands whose exit code belongs to the job: known before the command line is understood. */
const JOB_COMMANDS: ReadonlySet<string> = new Set(["run", "wait"]);

process.exitCode = await main(process.argv.slice(2), realWorld());
// Idle connections must not keep a finished command alive.
process.exit();

async function main(words: readonly string[], world: World): Promise<number> {
  let exitsAsJob = JOB_COMMANDS.has(words.find((word) => !word.startsWith("-")) ?? "");
  let format: string | null = null;
  try {
    const found = await dispatch(tree, words);
    if (found.kind === "help") {
      const { renderHelp } = await import("./render-help.ts");
      world.out(await renderHelp(found.command, found.path));
      return 0;
    }
    exitsAsJob = found.command.strict.exitsAsJob;
    format = found.invocation.text("output");
    const { runCommand } = await import("citty");
    const { result } = await runCommand(found.command, {
      rawArgs: [],
      data: { invocation: found.invocation, world },
    });
    return result as number;
  } catch (error) {
    return report(error, world, { exitsAsJob, format });
  }
}

type Reporting = { readonly exitsAsJob: boolean; readonly format: string | null };

function report(error: unknown, world: World, { exitsAsJob, format }: Reporting): number {
  if (error instanceof UsageError) {
    world.err(`error: ${error.message}\n`);
    if (error.hint !== "") world.err(`hint: ${error.hint}\n`);
    return exitsAsJob ? EXIT_NL_TROUBLE : EXIT_USAGE;
  }
  if (error instanceof NlFailure) {
    reportError(error.error, world, format);
    return exitCodeOf(error.error, exitsAsJob);
  }
  const text = error instanceof Error ? error.message : String(error);
  world.err(`nl: a bug in nl, please report it: ${text}\n`);
  if (world.env["NL_DEBUG"] === "1" && error instanceof Error) world.err(`${error.stack ?? ""}\n`);
  return EXIT_BUG;
}
