import type { Term } from "../lib/ids.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { ConfState } from "../raft/types.ts";
import type { ClusterView } from "../state/cluster-state.ts";
import type { Fact } from "../state/fact.ts";
import type { ReplicaListener, RoleEvent } from "./replica.ts";

/** Everyone who follows this replica, called in order of subscription. */
export class Listeners {
  readonly #all = new Set<ReplicaListener>();

  add(listener: ReplicaListener): () => void {
    this.#all.add(listener);
    return () => this.#all.delete(listener);
  }

  facts(facts: readonly Fact[], view: ClusterView): void {
    for (const listener of this.#all) listener.onFacts?.(facts, view);
  }

  restored(view: ClusterView): void {
    for (const listener of this.#all) listener.onRestored?.(view);
  }

  role(event: RoleEvent): void {
    for (const listener of this.#all) listener.onRole?.(event);
  }

  conf(conf: ConfState): void {
    for (const listener of this.#all) listener.onConf?.(conf);
  }

  leading(term: Term): void {
    for (const listener of this.#all) listener.onLeading?.(term);
  }

  stopped(reason: string, error: StorageError | null): void {
    for (const listener of this.#all) listener.onStopped?.(reason, error);
  }
}
