import { firstLook } from "./first-look.ts";
import { type Dispatch, dispatch } from "./front.ts";
import { TOPICS } from "./help/topics.ts";
import { report } from "./report-error.ts";
import { tree } from "./tree.ts";
import { VERSION } from "./version.ts";
import type { World } from "./world.ts";

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
  try {
    const found = await dispatch(tree, words);
    if (found.kind === "run") return await found.command.start(found.invocation, world);
    world.out(
      found.kind === "topic" ? (TOPICS.get(found.name) ?? "") : await helpText(found, world),
    );
    return 0;
  } catch (error) {
    return report(error, world, firstLook(words));
  }
}

async function helpText(
  { command, path }: Extract<Dispatch, { kind: "help" }>,
  world: World,
): Promise<string> {
  const { renderHelp } = await import("./render-help.ts");
  return renderHelp(command, { path, columns: world.columns });
}
