import type { Index } from "../lib/ids.ts";
import { err, ok } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotStore } from "../platform/snapshot-store.ts";
import type { SnapshotMeta } from "../raft/types.ts";

/** A snapshot of this node that is not deleted before `release`, which may be called again. */
export type HeldSnapshot = {
  readonly snapshot: SnapshotMeta;
  readonly read: (offset: number, maxBytes: number, done: Done<Uint8Array, StorageError>) => void;
  readonly release: () => void;
};

export type HoldFailure = StorageError | { readonly kind: "stopped" };

type Waiting = { readonly atLeast: Index; readonly done: Done<HeldSnapshot, HoldFailure> };

/** Who wants a snapshot for itself: waits until one is new enough, and keeps it from deletion. */
export class SnapshotHolds {
  readonly #store: SnapshotStore;
  readonly #onReleased: () => void;
  #waiting: Waiting[] = [];
  readonly #held = new Set<HeldSnapshot>();

  constructor(store: SnapshotStore, onReleased: () => void) {
    this.#store = store;
    this.#onReleased = onReleased;
  }

  /** A newer snapshot is wanted than there is. */
  get isWaiting(): boolean {
    return this.#waiting.length > 0;
  }

  get ids(): readonly string[] {
    return [...this.#held].map(({ snapshot }) => snapshot.id);
  }

  ask(atLeast: Index, done: Waiting["done"]): void {
    this.#waiting.push({ atLeast, done });
  }

  /** This one is here, durable. */
  offer(snapshot: SnapshotMeta): void {
    const [served, waiting] = [[], []] as [Waiting[], Waiting[]];
    for (const one of this.#waiting) (one.atLeast <= snapshot.index ? served : waiting).push(one);
    this.#waiting = waiting;
    for (const { done } of served) done(ok(this.#hold(snapshot)));
  }

  /** There will be none. */
  refuse(failure: HoldFailure): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { done } of waiting) done(err(failure));
  }

  #hold(snapshot: SnapshotMeta): HeldSnapshot {
    const held: HeldSnapshot = {
      snapshot,
      read: (offset, maxBytes, done) => this.#store.readChunk(snapshot, offset, maxBytes, done),
      release: () => {
        if (this.#held.delete(held)) this.#onReleased();
      },
    };
    this.#held.add(held);
    return held;
  }
}
