import { type NlError, nlError } from "../../lib/error-code.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { ClusterView } from "../../state/cluster-state.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { noLeader } from "../refusals.ts";

/** How long a call waits for a leader to appear before it is refused. */
export const LEADER_WAIT_MILLIS = 2_000;
/** Between two looks at a cluster without a leader, when no event tells. */
export const LEADER_POLL_MILLIS = 100;

export type Reading = {
  readonly view: ClusterView;
  /** How old the answer may be: 0 for a linearizable read. */
  readonly ageMillis: number;
};

/**
 * The view a read is answered from. Linearizable: everything acked before the call is in it.
 * Stale: this node's state as it is, with its age.
 */
export async function readView(
  context: ApiContext,
  caller: Caller,
  stale: boolean,
): Promise<Result<Reading, NlError>> {
  const { replica } = context;
  if (stale) return ok({ view: replica.view, ageMillis: context.digests.ageMillis() });
  const { clock } = context.platform;
  const giveUpAt = Math.min(caller.deadlineMillis, clock.monotonicMillis() + LEADER_WAIT_MILLIS);
  for (;;) {
    const { version } = context.leadership;
    const failure = await barrier(context);
    if (failure === null) return ok({ view: replica.view, ageMillis: 0 });
    if (failure === "stopped") return err(stoppedHere());
    const left = giveUpAt - clock.monotonicMillis();
    if (left <= 0) return err(noLeader());
    await context.leadership.changed(version, Math.min(left, LEADER_POLL_MILLIS));
  }
}

const barrier = (context: ApiContext): Promise<"no-leader" | "timed-out" | "stopped" | null> =>
  new Promise((resolve) => {
    context.replica.readBarrier((done) => resolve(done.ok ? null : done.error));
  });

const stoppedHere = (): NlError =>
  nlError("unreachable", "this node has stopped working on its log", "ask another node");
