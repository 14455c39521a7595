import type { JobId } from "../../../engine/lib/ids.ts";
import { type Checker, must, type TaskEvent } from "../checker.ts";

const NAME = "attempts do not overlap";

/**
 * Of one job at most one program runs, in the machines' own truth, and its fence is higher than
 * that of every one before. (SEMANTICS S5, Fencing)
 */
export function attemptsDoNotOverlap(): Checker {
  const running = new Map<JobId, TaskEvent>();
  const fences = new Map<JobId, number>();
  return {
    name: NAME,
    onTaskStarted: (task) => {
      const other = running.get(task.jobId);
      must(other === undefined, NAME, () => {
        return `${task.attemptId} starts on ${task.nodeId} while ${other?.attemptId} runs on ${other?.nodeId}`;
      });
      const fence = fences.get(task.jobId) ?? 0;
      must(task.fence > fence, NAME, () => `${task.attemptId} has fence ${task.fence} <= ${fence}`);
      fences.set(task.jobId, task.fence);
      running.set(task.jobId, task);
    },
    onTaskEnded: (task) => {
      running.delete(task.jobId);
    },
  };
}
