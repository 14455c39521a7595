import { assert } from "../../lib/assert.ts";
import type { Applying } from "../applying.ts";
import type { Attempt, NodeRecord } from "../cluster-state.ts";
import type { CommandBody, Outcome } from "../command.ts";
import { settleJob } from "../settle-job.ts";
import { specOf } from "../spec-of.ts";

type MarkNode = Extract<CommandBody, { kind: "mark-node" }>;

/**
 * The leader's verdict on a node. `lost` ends its live attempts, as fencing has ended their tasks
 * (SEMANTICS, Fencing); `alive` makes it eligible again and gives nothing back.
 */
export function applyMarkNode(applying: Applying, command: MarkNode): Outcome {
  const { nodeId, liveness } = command;
  const node = applying.state.nodes.get(nodeId);
  if (node === undefined) return { kind: "refused", refusal: { kind: "unknown-node", nodeId } };
  if (node.liveness === liveness) return applying.done(true);
  applying.putNode({ ...node, liveness });
  if (liveness === "lost") loseAttempts(applying, node);
  return applying.done();
}

function loseAttempts(applying: Applying, node: NodeRecord): void {
  for (const attempt of applying.state.liveAttempts(node.id)) {
    if (waitsForNode(applying, attempt)) continue;
    const lost: Attempt = {
      ...attempt,
      state: "lost",
      finishedAt: applying.at,
      detail: `node ${node.id} was lost`,
    };
    applying.putAttempt(lost);
    settleJob(applying, lost, { kind: "node-lost" });
  }
}

/**
 * `on_lost: wait` outlives the silence: attempt and job stay as they are, and only the node's own
 * report ends them, also when the job is being cancelled.
 */
function waitsForNode(applying: Applying, attempt: Attempt): boolean {
  const job = applying.state.jobs.get(attempt.jobId);
  assert(job !== undefined, "an attempt belongs to a job");
  return specOf(job.spec).onLost === "wait";
}
