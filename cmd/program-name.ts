import { basename } from "node:path";
import type { World } from "./world.ts";

/**
 * How to type nl again: `scripts/nl` tells how it was typed, so that what is printed as a command
 * works when it is pasted.
 */
export function programName(env: World["env"]): string {
  const typed = env["NL_PROGRAM"];
  if (typed === undefined || typed === "") return "nl";
  return basename(typed) === "nl" && Bun.which("nl") === typed ? "nl" : typed;
}
