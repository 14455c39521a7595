import { dispatch } from "./front.ts";
import { NlFailure } from "./nl-failure.ts";
import { EXIT_BUG, EXIT_NL_TROUBLE, EXIT_USAGE, exitCodeOf, reportError } from "./report-error.ts";
import { tree } from "./tree.ts";
import { UsageError } from "./usage-error.ts";
import { VERSION } from "./version.ts";
import type { World } from "./world.ts";

/** Commands whose exit code belongs to the job: known before the command line is understood. */
const JOB_COMMANDS: ReadonlySet<string> = new Set(["run", "wait"]);

const commandLine = process.argv.slice(2);
process.exitCode = asksVersionOnly(commandLine) ? printVersion() : await start(commandLine);
// Idle connections must not keep a finished command alive.
process.exit();

/** What is asked on every machine, often by scripts: answered before anything else is loaded. */
function asksVersionOnly(words: readonly string[]): boolean {
  return words.length === 1 && words[0] === "version";
}

function printVersion(): number {
  console.log(`nl ${VERSION}`);
  return 0;
}

async function start(words: readonly string[]): Promise<number> {
  const { realWorld } = await import("./real-world.ts");
  return main(words, realWorld());
}

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
    return await found.command.start(found.invocation, world);
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
