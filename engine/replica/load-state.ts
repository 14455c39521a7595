import { err, ok, type Result } from "../lib/result.ts";
import type { Clock } from "../platform/clock.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotStore } from "../platform/snapshot-store.ts";
import type { Timers } from "../platform/timers.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import type { ClusterState } from "../state/create-state.ts";
import { StateLoader } from "../state/state-loader.ts";

/**
 * How long the node's only thread is held at a time, and how much is read at most meanwhile. A step
 * of the garbage collector, whose heap holds two states by then, may come on top of it.
 */
const SLICE_MILLIS = 1;
const RECORDS_PER_SLICE = 4_096;
const CHUNK_BYTES = 256 * 1024;

/** `refused`: the bytes are what was written, but this version cannot use them; a sentence. */
export type LoadError = StorageError | { readonly kind: "refused"; readonly detail: string };

export type LoadOptions = {
  readonly snapshots: SnapshotStore;
  readonly timers: Timers;
  readonly clock: Clock;
};

/** Makes the state of a snapshot, slice by slice, beside everything else that this node does. */
export class StateLoad {
  readonly #options: LoadOptions;
  readonly #snapshot: SnapshotMeta;
  readonly #done: (loaded: Result<ClusterState, LoadError>) => void;
  readonly #loader = new StateLoader();
  #offset = 0;
  #isCancelled = false;

  constructor(
    options: LoadOptions,
    snapshot: SnapshotMeta,
    done: (loaded: Result<ClusterState, LoadError>) => void,
  ) {
    this.#options = options;
    this.#snapshot = snapshot;
    this.#done = done;
    this.#read();
  }

  /** Nothing is reported any more. */
  cancel(): void {
    this.#isCancelled = true;
  }

  #read(): void {
    const { snapshots } = this.#options;
    snapshots.readChunk(this.#snapshot, this.#offset, CHUNK_BYTES, (read) => {
      if (this.#isCancelled) return;
      if (!read.ok) this.#done(read);
      else if (read.value.length === 0) this.#finish();
      else this.#feed(read.value);
    });
  }

  #feed(chunk: Uint8Array): void {
    this.#offset += chunk.length;
    this.#loader.feed(chunk);
    this.#slice();
  }

  #slice(): void {
    if (this.#isCancelled) return;
    const { clock, timers } = this.#options;
    const deadlineMillis = clock.monotonicMillis() + SLICE_MILLIS;
    // The clock costs a fiftieth of a record; the first records of a process take milliseconds each.
    for (let left = RECORDS_PER_SLICE; left > 0; left--) {
      if (clock.monotonicMillis() >= deadlineMillis) break;
      const worked = this.#loader.work(1);
      if (!worked.ok) {
        this.#done(err({ kind: "refused", detail: worked.error }));
        return;
      }
      if (worked.value !== "more-work") {
        this.#read();
        return;
      }
    }
    timers.soon(() => this.#slice());
  }

  #finish(): void {
    const loaded = this.#loader.loaded();
    if (!loaded.ok) {
      this.#done(err({ kind: "refused", detail: loaded.error }));
      return;
    }
    const { index, id } = this.#snapshot;
    const { appliedIndex } = loaded.value;
    if (appliedIndex === index) {
      this.#done(ok(loaded.value));
      return;
    }
    const detail = `snapshot ${id} holds the state at ${appliedIndex}, not at ${index}`;
    this.#done(err({ kind: "refused", detail }));
  }
}
