import { following } from "../lib/ids.ts";
import { Applying } from "./applying.ts";
import type { Attempt } from "./cluster-state.ts";
import type { Founding } from "./command.ts";
import { addFounders, type ClusterState } from "./create-state.ts";
import { settleJob } from "./settle-job.ts";
import { specOf } from "./spec-of.ts";
import { StateStore } from "./state-store.ts";

/**
 * The jobs of a saved state in a cluster of its own, with other members: one entry later, and
 * nothing runs, for the old nodes are not members of it. Where the old cluster is alive, its tasks
 * go on there. `saved` is used up.
 */
export function refound(saved: ClusterState, founding: Founding): ClusterState {
  endAttempts(saved, founding);
  const { featureLevel, appliedIndex, appliedAt, limits } = saved;
  const { clusterId, clusterName } = founding;
  const state = new StateStore({
    ...{ clusterId, clusterName, featureLevel, appliedIndex, appliedAt, limits },
  });
  addFounders(state, founding.members);
  for (const { id, spec, ...job } of [...saved.newestFirst()].reverse()) {
    state.addJob({ ...job, id, spec: state.internSpec(spec.bytes) });
    for (const attempt of saved.attemptsOf(id)) state.putAttempt(attempt);
  }
  return state;
}

/** As the loss of every node would, and for good: nobody's report comes any more. */
function endAttempts(saved: ClusterState, founding: Founding): void {
  const index = following(saved.appliedIndex);
  saved.advanceIndex(index);
  saved.advanceTime(founding.at);
  const at = saved.appliedAt;
  const applying = new Applying({ state: saved, index, at, principal: "restore" });
  for (const node of saved.nodes.values()) {
    for (const attempt of saved.liveAttempts(node.id)) {
      const detail = `node ${node.id} is not in the restored cluster`;
      const lost: Attempt = { ...attempt, state: "lost", finishedAt: at, detail };
      applying.putAttempt(lost);
      settleJob(applying, lost, { kind: waits(saved, attempt) ? "node-removed" : "node-lost" });
    }
  }
}

/** `on_lost: wait`: it may still run where it was, so it may not run elsewhere (SEMANTICS S5). */
function waits(state: ClusterState, attempt: Attempt): boolean {
  const job = state.jobs.get(attempt.jobId);
  return job !== undefined && specOf(job.spec).onLost === "wait";
}
