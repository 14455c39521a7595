import { assert } from "../../lib/assert.ts";
import type { NlError } from "../../lib/error-code.ts";
import type { Index } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Applied } from "../../replica/replica.ts";
import type { CommandBody } from "../../state/command.ts";
import { authorOf, type Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { proposeError, refusalError, type Unproposed } from "../refusals.ts";

/**
 * Proposes in the caller's name; answered after commit and apply. A leader that is low on disk takes
 * no new work (SEMANTICS S17), and everything that makes work end.
 */
export function propose(
  context: ApiContext,
  caller: Caller,
  body: CommandBody,
): Promise<Result<Applied, Unproposed>> {
  const shortage = body.kind === "submit-jobs" ? context.diskShortage() : null;
  if (shortage !== null && context.leadership.leads) {
    return Promise.resolve(err({ kind: "low-disk", shortage }));
  }
  return new Promise((resolve) => {
    context.replica.propose({ principal: authorOf(caller.principal), body }, resolve);
  });
}

/** Proposes a command with one outcome. `subject` names in errors what may still happen. */
export async function proposeOne(
  context: ApiContext,
  caller: Caller,
  proposal: { readonly body: CommandBody; readonly subject: string },
): Promise<Result<{ readonly index: Index; readonly existed: boolean }, NlError>> {
  const applied = await propose(context, caller, proposal.body);
  if (!applied.ok) return err(proposeError(applied.error, proposal.subject));
  const [outcome] = applied.value.outcomes;
  assert(outcome !== undefined, "an applied command has an outcome");
  return outcome.kind === "ok" ? ok(outcome) : err(refusalError(outcome.refusal));
}
