import type { NlError } from "../engine/lib/error-code.ts";
import type { Result } from "../engine/lib/result.ts";

/** Carries an expected failure up to the one place that reports it and picks the exit code. */
export class NlFailure extends Error {
  readonly error: NlError;

  constructor(error: NlError) {
    super(error.message);
    this.error = error;
  }
}

/** The value, or the failure thrown: for commands, where every failure ends the same way. */
export function orFail<T>(result: Result<T, NlError>): T {
  if (!result.ok) throw new NlFailure(result.error);
  return result.value;
}
