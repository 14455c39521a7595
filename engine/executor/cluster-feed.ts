import type { ClusterView } from "../state/cluster-state.ts";
import type { Fact } from "../state/fact.ts";

/** The replicated state as this node has applied it: on a server, its own replica. */
export interface ClusterFeed {
  /** Of now: a snapshot replaces it. */
  readonly view: ClusterView;
  /** Returns the unsubscription. */
  subscribe(listener: FeedListener): () => void;
}

export type FeedListener = {
  /** After every applied batch, also one without facts. */
  readonly onFacts: (facts: readonly Fact[]) => void;
  /** Everything may have changed. */
  readonly onRestored: () => void;
};
