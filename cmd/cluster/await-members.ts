import type { Client, ListMembersResponse } from "../../engine/client/client.ts";
import { nlError } from "../../engine/lib/error-code.ts";
import { Interrupted } from "../interrupted.ts";
import { NlFailure } from "../nl-failure.ts";
import { ProgressLine } from "../progress-line.ts";
import type { World } from "../world.ts";

const POLL_MILLIS = 250;

/**
 * Looks at the members until `look` answers null; what it answers meanwhile is shown. A failed look
 * is no answer: leadership may be on its way to another node.
 */
export async function awaitMembers(
  {
    client,
    world,
    timeoutMillis,
  }: {
    readonly client: Client;
    readonly world: World;
    /** Null: as long as it takes. */
    readonly timeoutMillis: number | null;
  },
  look: (listed: ListMembersResponse) => string | null,
): Promise<void> {
  const progress = new ProgressLine(world);
  const from = performance.now();
  let waiting = "the cluster does not answer";
  try {
    for (;;) {
      const listed = await client.listMembers();
      const said = listed.ok ? look(listed.value) : waiting;
      if (said === null) return;
      waiting = said;
      progress.show(null, waiting);
      if (world.interrupted.aborted)
        throw new Interrupted("it goes on by itself: nl cluster members");
      if (timeoutMillis !== null && performance.now() - from >= timeoutMillis) throw late(waiting);
      await Bun.sleep(POLL_MILLIS);
    }
  } finally {
    progress.clear();
  }
}

const late = (waiting: string): NlFailure =>
  new NlFailure(
    nlError(
      "timed_out",
      `not yet: ${waiting}`,
      "it goes on by itself; watch it: nl cluster members",
    ),
  );
