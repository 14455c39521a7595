import type { ServerUnaryCall } from "@grpc/grpc-js";
import { type NlError, nlError } from "../../lib/error-code.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Clock } from "../../platform/clock.ts";
import { type IdentityError, identifyCaller } from "../../security/identity.ts";
import type { Caller } from "../caller.ts";

/** A call without a deadline gets this one; nobody gets more than the longest. */
const DEADLINE_MILLIS_DEFAULT = 30_000;
const DEADLINE_MILLIS_MAX = 10 * 60_000;

type AnyCall = Pick<ServerUnaryCall<unknown, unknown>, "getAuthContext" | "getDeadline">;

/** Who calls, from the certificate that TLS verified, and until when they wait. */
export function callerOf(
  call: AnyCall,
  node: { readonly clusterId: string; readonly clock: Clock },
): Result<Caller, NlError> {
  const principal = identifyCaller(call.getAuthContext(), node.clusterId);
  if (!principal.ok) return err(notIdentified(principal.error));
  const deadlineMillis = node.clock.monotonicMillis() + patience(call, node.clock);
  return ok({ principal: principal.value, deadlineMillis, signal: null, forwarded: false });
}

function patience(call: AnyCall, clock: Clock): number {
  const deadline = call.getDeadline();
  const at = typeof deadline === "number" ? deadline : deadline.getTime();
  if (!Number.isFinite(at)) return DEADLINE_MILLIS_DEFAULT;
  return Math.min(Math.max(at - clock.now(), 0), DEADLINE_MILLIS_MAX);
}

function notIdentified(error: IdentityError): NlError {
  const hint = "use a certificate of this cluster: nl certs init, or --cert and --key";
  switch (error.kind) {
    case "no-certificate":
      return nlError("unauthenticated", "the caller shows no certificate", hint);
    case "malformed-certificate":
    case "not-an-identity":
      return nlError("unauthenticated", `the certificate names nobody: ${error.detail}`, hint);
    case "other-cluster":
      return nlError("unauthenticated", "the certificate belongs to another cluster", hint);
  }
}
