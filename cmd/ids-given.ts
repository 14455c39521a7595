import type { Invocation } from "./invocation.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

/** Of one command: more is a job for several. */
const IDS_MAX = 10_000;

/** The ids on the command line; `-` stands for those on standard input, one or more a line. */
export async function idsGiven(invocation: Invocation, world: World): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const word of invocation.positionals) {
    if (word === "-") for await (const line of world.inputLines()) ids.push(...wordsOf(line));
    else ids.push(word);
    if (ids.length > IDS_MAX)
      throw new UsageError(`more than ${IDS_MAX} ids`, "use several commands");
  }
  return [...new Set(ids)];
}

const wordsOf = (line: string): readonly string[] => line.split(/\s+/).filter(Boolean);
