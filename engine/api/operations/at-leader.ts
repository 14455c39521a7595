import type { NlError } from "../../lib/error-code.ts";
import { err, type Result } from "../../lib/result.ts";
import { formatPrincipal } from "../../security/identity.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { noLeader } from "../refusals.ts";
import type { Method } from "./method.ts";
import { LEADER_POLL_MILLIS, LEADER_WAIT_MILLIS } from "./read.ts";

/** No call waits longer for the leader's answer, whatever its caller would accept. */
const HOP_MILLIS_MAX = 15_000;

/**
 * Answers a call where the leader is: here, or one hop away with the caller's identity. An answer
 * `no_leader` had no effect, so it is tried again until a leader is found or the wait is over.
 */
export async function callAtLeader(
  context: ApiContext,
  method: Method,
  call: { readonly caller: Caller; readonly request: Buffer },
): Promise<Result<Uint8Array, NlError>> {
  const { clock } = context.platform;
  const giveUpAt = clock.monotonicMillis() + LEADER_WAIT_MILLIS;
  for (;;) {
    const { version } = context.leadership;
    const answer = await callOnce(context, method, call);
    if (answer.ok || answer.error.code !== "no_leader" || call.caller.forwarded) return answer;
    const left = Math.min(giveUpAt, call.caller.deadlineMillis) - clock.monotonicMillis();
    if (left <= 0 || context.stopping.aborted) return answer;
    await context.leadership.changed(version, Math.min(left, LEADER_POLL_MILLIS));
  }
}

function callOnce(
  context: ApiContext,
  method: Method,
  call: { readonly caller: Caller; readonly request: Buffer },
): Promise<Result<Uint8Array, NlError>> {
  const { caller, request } = call;
  const route = context.leadership.route();
  if (route.kind === "self") return method.run(context, caller, request);
  if (route.kind === "unknown" || caller.forwarded) return Promise.resolve(err(noLeader()));
  const left = caller.deadlineMillis - context.platform.clock.monotonicMillis();
  return new Promise((resolve) => {
    context.leaderLink.call(
      route,
      {
        principal: formatPrincipal(caller.principal),
        method: method.path,
        request,
        timeoutMillis: Math.min(Math.max(left, 1), HOP_MILLIS_MAX),
      },
      resolve,
    );
  });
}
