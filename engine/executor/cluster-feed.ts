import type { ClusterView } from "../state/cluster-state.ts";
import type { Fact } from "../state/fact.ts";

/** The replicated state as this node has applied it: on a server, its own replica. */
export interface ClusterFeed {
  readonly view: ClusterView;
  /** Called after every applied batch, also one without facts. Returns the unsubscription. */
  subscribe(onApplied: (facts: readonly Fact[]) => void): () => void;
}
