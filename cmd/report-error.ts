import { cleanLine } from "../engine/lib/clean-text.ts";
import { ERROR_CODES, type NlError } from "../engine/lib/error-code.ts";
import type { World } from "./world.ts";

/** Three lines on stderr: what failed, what to do, the stable code. With `-o json` one object. */
export function reportError(error: NlError, world: World, format: string | null): void {
  const { code, message, hint } = error;
  if (format === "json" || format === "jsonl") {
    world.err(`${JSON.stringify({ error: { code, message, hint } })}\n`);
    return;
  }
  world.err(`error: ${cleanLine(message)}\n`);
  if (hint !== "") world.err(`hint: ${cleanLine(hint)}\n`);
  world.err(`code: ${code}\n`);
}

/** 125 where the job's own exit code would stand, so that a script can tell them apart. */
export const exitCodeOf = (error: NlError, exitsAsJob: boolean): number =>
  exitsAsJob ? EXIT_NL_TROUBLE : ERROR_CODES[error.code].exit;

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_PARTLY_FAILED = 8;
export const EXIT_NOT_MET = 9;
export const EXIT_BUG = 70;
export const EXIT_DISK = 74;
export const EXIT_JOB_TIMEOUT = 124;
export const EXIT_NL_TROUBLE = 125;
export const EXIT_INTERRUPTED = 130;
