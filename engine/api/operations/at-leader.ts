import type { NlError } from "../../lib/error-code.ts";
import { err, type Result } from "../../lib/result.ts";
import type { ForwardedCall } from "../../platform/leader-link.ts";
import { formatPrincipal } from "../../security/identity.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import type { LeaderRoute } from "../leadership.ts";
import { indefinite, noLeader } from "../refusals.ts";
import type { Method } from "./method.ts";
import { LEADER_POLL_MILLIS, LEADER_WAIT_MILLIS } from "./read.ts";

/** No call waits longer for the leader's answer, whatever its caller would accept. */
const HOP_MILLIS_MAX = 15_000;
/** A deposed leader that lives still answers what it had begun: it applies it like everyone. */
const DEPOSED_GRACE_MILLIS = 500;

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
  return hop(context, route, {
    principal: formatPrincipal(caller.principal),
    method: method.path,
    request,
    timeoutMillis: Math.min(Math.max(left, 1), HOP_MILLIS_MAX),
  });
}

/** A leader that was deposed because it froze will not answer: nobody waits for it much longer. */
function hop(
  context: ApiContext,
  leader: Extract<LeaderRoute, { kind: "other" }>,
  call: ForwardedCall,
): Promise<Result<Uint8Array, NlError>> {
  return new Promise((resolve) => {
    let cancelGrace = (): void => {};
    const finish = (answer: Result<Uint8Array, NlError>): void => {
      stopListening();
      cancelGrace();
      resolve(answer);
    };
    const stopListening = context.leadership.listen(() => {
      stopListening();
      const giveUp = (): void => finish(err(indefinite(`the call to node ${leader.nodeId}`)));
      cancelGrace = context.platform.timers.after(DEPOSED_GRACE_MILLIS, giveUp);
    });
    context.leaderLink.call(leader, call, finish);
  });
}
