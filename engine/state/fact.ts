import type { AttemptId, Index, JobId, NodeId, PeerId } from "../lib/ids.ts";
import type { AttemptState, JobState } from "./cluster-state.ts";

/**
 * What an applied entry changed: the one source of watch, telemetry and the leader's duties.
 * Ordered by (index, ordinal); readers look the records up in the view.
 */
export type Fact = { readonly index: Index; readonly ordinal: number } & (
  | { readonly kind: "job-changed"; readonly jobId: JobId; readonly state: JobState }
  | {
      readonly kind: "attempt-changed";
      readonly attemptId: AttemptId;
      readonly nodeId: NodeId;
      readonly state: AttemptState;
    }
  | { readonly kind: "node-changed"; readonly nodeId: NodeId }
  /** Its record is gone: it left the cluster for good. */
  | { readonly kind: "node-removed"; readonly nodeId: NodeId }
  /** A change of the Raft group is final. */
  | {
      readonly kind: "members-changed";
      readonly voters: readonly PeerId[];
      readonly learners: readonly PeerId[];
    }
  | { readonly kind: "join-token-changed"; readonly tokenId: string }
  | { readonly kind: "feature-level-raised"; readonly featureLevel: number }
  /** A report or assignment that no longer held; harmless, counted. */
  | { readonly kind: "stale-ignored"; readonly attemptId: AttemptId }
);
