import type { AttemptId } from "../lib/ids.ts";
import { afterMillis } from "./after-millis.ts";
import type { TaskDriver } from "./task-driver.ts";

/** Long enough that the end has been told: to remove a container keeps the whole machine busy. */
const PATIENCE_MILLIS = 200;
/** For a daemon that hangs; what is left then is swept by the next host. */
const HURRY_MILLIS_MAX = 1_000;

type Remover = Pick<TaskDriver, "remove">;

/** What finished tasks left on this machine: removed a moment after their end. */
export class Leftovers {
  readonly #waiting = new Map<AttemptId, () => Promise<void>>();

  removeSoon(driver: Remover, attemptId: AttemptId): void {
    const cancel = afterMillis(PATIENCE_MILLIS, () => void remove());
    const remove = async (): Promise<void> => {
      cancel();
      this.#waiting.delete(attemptId);
      // If this fails, the next host sweeps.
      await driver.remove(attemptId).catch(() => undefined);
    };
    this.#waiting.set(attemptId, remove);
  }

  /** The host is about to end. */
  async removeNow(): Promise<void> {
    const removals = [...this.#waiting.values()].map((remove) => remove());
    await Promise.race([Promise.all(removals), Bun.sleep(HURRY_MILLIS_MAX)]);
  }
}
