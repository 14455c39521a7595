import { cleanLine } from "../engine/lib/clean-text.ts";
import { ERROR_CODES, type NlError } from "../engine/lib/error-code.ts";
import { fsFailure } from "./fs-failure.ts";
import { Interrupted } from "./interrupted.ts";
import { NlFailure } from "./nl-failure.ts";
import { UsageError } from "./usage-error.ts";
import type { World } from "./world.ts";

export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;
export const EXIT_PARTLY_FAILED = 8;
export const EXIT_NOT_MET = 9;
export const EXIT_BUG = 70;
export const EXIT_DISK = 74;
export const EXIT_JOB_TIMEOUT = 124;
export const EXIT_NL_TROUBLE = 125;
export const EXIT_INTERRUPTED = 130;

export type Reporting = {
  /** nl's own trouble is 125 where the job's exit code would stand, so that they differ. */
  readonly exitsAsJob: boolean;
  readonly format: string | null;
};

/** Says what ended a command and answers its exit code. Never a stack trace, unless asked for. */
export function report(error: unknown, world: World, reporting: Reporting): number {
  const { exitsAsJob, format } = reporting;
  if (error instanceof UsageError) {
    say({ code: "usage", message: error.message, hint: error.hint }, world, format);
    return exitsAsJob ? EXIT_NL_TROUBLE : EXIT_USAGE;
  }
  if (error instanceof Interrupted) {
    if (error.message !== "") world.err(`nl: interrupted; ${error.message}\n`);
    return EXIT_INTERRUPTED;
  }
  const failure = error instanceof NlFailure ? error : fsFailure(error);
  if (failure === null) return reportBug(error, world);
  reportError(failure.error, world, format);
  return exitsAsJob ? EXIT_NL_TROUBLE : ERROR_CODES[failure.error.code].exit;
}

/** Three lines on stderr: what failed, what to do, the stable code. With `-o json` one object. */
export function reportError(error: NlError, world: World, format: string | null): void {
  say(error, world, format);
}

type Said = { readonly code: string; readonly message: string; readonly hint: string };

function say({ code, message, hint }: Said, world: World, format: string | null): void {
  if (format === "json" || format === "jsonl") {
    world.err(`${JSON.stringify({ error: { code, message, hint } })}\n`);
    return;
  }
  world.err(`error: ${cleanLine(message)}\n`);
  if (hint !== "") world.err(`hint: ${cleanLine(hint)}\n`);
  world.err(`code: ${code}\n`);
}

function reportBug(error: unknown, world: World): number {
  const text = error instanceof Error ? error.message : String(error);
  world.err(`nl: a bug in nl, please report it: ${cleanLine(text)}\n`);
  if (world.env["NL_DEBUG"] === "1" && error instanceof Error) world.err(`${error.stack ?? ""}\n`);
  else world.err("hint: NL_DEBUG=1 shows where\n");
  return EXIT_BUG;
}
