import type { Result } from "../../engine/lib/result.ts";
import type { Lab, Started } from "./lab.ts";
import type { Target } from "./raw-client.ts";

/** Three processes that agree, whichever system they are. */
export type RunningCluster = {
  /** The leader: both systems' clients find it by themselves. */
  readonly target: Target;
  readonly targets: readonly Target[];
  readonly processes: readonly Started[];
  readonly leader: Started;
};

type Limit = { readonly processes: readonly Started[]; readonly millis: number };

const POLL_MILLIS = 25;

/** Asks until there is an answer; throws when a process has ended or the time is over. */
export async function until<T>(lab: Lab, limit: Limit, ask: () => Promise<T | null>): Promise<T> {
  const deadline = performance.now() + limit.millis;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    await checkAlive(lab, limit.processes);
    if (performance.now() > deadline) throw new Error(tooSlow(lab, limit));
    await Bun.sleep(POLL_MILLIS);
  }
}

async function checkAlive(lab: Lab, processes: readonly Started[]): Promise<void> {
  for (const started of processes) {
    if (await lab.isAlive(started)) continue;
    throw new Error(`${started.name} ended:\n${lab.tailOf(started.name)}`);
  }
}

function tooSlow(lab: Lab, { processes, millis }: Limit): string {
  const [first] = processes;
  const words = first === undefined ? "" : `\n${lab.tailOf(first.name)}`;
  return `not up within ${millis / 1000} s${words}`;
}

/** For what cannot fail unless this machine is broken. */
export function need<T>(result: Result<T, unknown>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.error));
  return result.value;
}
