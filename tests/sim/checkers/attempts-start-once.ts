import type { AttemptId } from "../../../engine/lib/ids.ts";
import { type Checker, must } from "../checker.ts";

const NAME = "attempts start once";

/** No attempt's program is ever started a second time, on any machine. (SEMANTICS S3) */
export function attemptsStartOnce(): Checker {
  const started = new Set<AttemptId>();
  return {
    name: NAME,
    onTaskStarted: ({ attemptId, nodeId }) => {
      must(!started.has(attemptId), NAME, () => `${attemptId} starts again, on ${nodeId}`);
      started.add(attemptId);
    },
  };
}
