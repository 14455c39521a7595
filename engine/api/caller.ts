import { type NlError, nlError } from "../lib/error-code.ts";
import type { Principal } from "../security/identity.ts";
import { accessOf } from "../security/roles.ts";
import type { Job } from "../state/cluster-state.ts";

/** Who asks, and how long they wait for the answer. */
export type Caller = {
  readonly principal: Principal;
  /** On this node's monotonic clock: nobody waits for the answer after it. */
  readonly deadlineMillis: number;
  /** Aborted when the caller is gone. Only calls that may last carry one. */
  readonly signal: AbortSignal | null;
  /** True when another node sent the call here: it goes no further. */
  readonly forwarded: boolean;
};

/** How a caller stands in the log: without the role, which may be another one tomorrow. */
export const authorOf = (principal: Principal): string =>
  principal.kind === "node" ? `node/${principal.nodeId}` : `user/${principal.name}`;

/** Null when the caller may use `method` on this job. Call `refuseMethod` first. */
export function refuseJob(caller: Caller, method: string, job: Job): NlError | null {
  if (accessOf(caller.principal, method) === "all") return null;
  return job.principal === authorOf(caller.principal) ? null : forbidden(caller, method);
}

/** Null when the caller may use `method` at all. */
export const refuseMethod = (caller: Caller, method: string): NlError | null =>
  accessOf(caller.principal, method) === "none" ? forbidden(caller, method) : null;

function forbidden(caller: Caller, method: string): NlError {
  const { principal } = caller;
  const who =
    principal.kind === "node" ? authorOf(principal) : `${principal.name} (${principal.role})`;
  return nlError(
    "forbidden",
    `${who} may not call ${method.slice(method.lastIndexOf(".") + 1)}`,
    "use a certificate with a role that may",
  );
}
