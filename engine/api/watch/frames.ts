import { type ClusterEvent, type WatchDelta, WatchFrame } from "../../../proto/gen/nl/v1/watch.ts";
import type { JobId, NodeId } from "../../lib/ids.ts";
import type { ClusterView } from "../../state/cluster-state.ts";
import type { Fact } from "../../state/fact.ts";
import type { NodeHearing } from "../leader-duties.ts";
import { jobMessage, jobSummaryMessage } from "../messages/job-message.ts";
import { nodeMessage } from "../messages/node-message.ts";
import type { Change } from "./change-ring.ts";
import type { PendingChanges } from "./pending-changes.ts";
import { formatRevision, type Revision } from "./revision.ts";

/** Rows of one frame: about 150 KB at most. */
export const FRAME_ROWS_MAX = 500;

/** A frame that goes to many readers and is encoded once. */
export class SharedFrame {
  readonly message: WatchFrame;
  #bytes: Buffer | null = null;

  constructor(kind: WatchFrame["kind"], revision: Revision | null = null) {
    this.message = { revision: revision === null ? "" : formatRevision(revision), kind };
  }

  get bytes(): Buffer {
    this.#bytes ??= Buffer.from(WatchFrame.encode(this.message).finish());
    return this.#bytes;
  }
}

/** Where rows come from. */
export type RowSource = {
  readonly view: ClusterView;
  readonly hearings: ReadonlyMap<NodeId, NodeHearing>;
  /** True: rows carry attempts and the whole spec. */
  readonly isDetailed: boolean;
  readonly waitingFor: (jobId: JobId) => string;
};

export function jobRow(source: RowSource, jobId: JobId): WatchDelta["jobs"][number] | undefined {
  const job = source.view.jobs.get(jobId);
  if (job === undefined) return undefined;
  if (!source.isDetailed) return jobSummaryMessage(job);
  const waitingFor = job.state === "pending" ? source.waitingFor(jobId) : "";
  return jobMessage(job, source.view, waitingFor);
}

export function nodeRow(
  source: RowSource,
  nodeId: NodeId,
): WatchDelta["nodes"][number] | undefined {
  const node = source.view.nodes.get(nodeId);
  return node && nodeMessage(node, source.view, source.hearings.get(nodeId));
}

/**
 * The changes as delta frames, each row in its present state. Only the last one carries the
 * revision: whoever saw but a part of them resumes before all of them.
 */
export function deltaFrames(source: RowSource, pending: PendingChanges): readonly SharedFrame[] {
  const deltas: WatchDelta[] = [];
  let delta = emptyDelta();
  let room = 0;
  const withRoom = (): WatchDelta => {
    if (room === 0) {
      delta = emptyDelta();
      deltas.push(delta);
      room = FRAME_ROWS_MAX;
    }
    room -= 1;
    return delta;
  };
  for (const nodeId of pending.nodes) {
    const row = nodeRow(source, nodeId);
    if (row !== undefined) withRoom().nodes.push(row);
    else withRoom().removedNodes.push(nodeId);
  }
  for (const jobId of pending.jobs) {
    const row = jobRow(source, jobId);
    if (row !== undefined) withRoom().jobs.push(row);
    else withRoom().removedJobs.push(jobId);
  }
  for (const change of pending.events) withRoom().events.push(eventMessage(change));
  return deltas.map(
    (value, i) =>
      new SharedFrame({ $case: "delta", value }, i === deltas.length - 1 ? pending.revision : null),
  );
}

const emptyDelta = (): WatchDelta => ({
  jobs: [],
  nodes: [],
  removedJobs: [],
  removedNodes: [],
  events: [],
});

function eventMessage(change: Change): ClusterEvent {
  return { revision: formatRevision(change.fact), at: change.at, ...described(change.fact) };
}

function described(fact: Fact): Pick<ClusterEvent, "subject" | "id" | "what" | "severity"> {
  switch (fact.kind) {
    case "job-changed":
      return about("job", fact.jobId, fact.state, fact.state === "failed" ? "warn" : "info");
    case "attempt-changed": {
      const severity = fact.state === "lost" ? "warn" : "info";
      return about("attempt", fact.attemptId, `${fact.state} on ${fact.nodeId}`, severity);
    }
    case "node-changed":
      return about("node", fact.nodeId, "changed", "info");
    case "node-removed":
      return about("node", fact.nodeId, "left the cluster", "info");
    case "members-changed": {
      const learners = fact.learners.length === 0 ? "" : `, learners ${fact.learners.join(" ")}`;
      return about("raft", "", `members: voters ${fact.voters.join(" ")}${learners}`, "info");
    }
    case "join-token-changed":
      return about("cluster", fact.tokenId, "join token changed", "info");
    case "feature-level-raised":
      return about("cluster", "", `feature level ${fact.featureLevel}`, "info");
    case "stale-ignored":
      return about("attempt", fact.attemptId, "a late report was ignored", "info");
  }
}

const about = (subject: string, id: string, what: string, severity: string) => ({
  subject,
  id,
  what,
  severity,
});
