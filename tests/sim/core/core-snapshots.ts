import { assert } from "../../../engine/lib/assert.ts";
import type { Index, PeerId } from "../../../engine/lib/ids.ts";
import type { StorageError } from "../../../engine/platform/log-store.ts";
import type { SnapshotMeta, Status } from "../../../engine/raft/types.ts";
import type { SimLogStore } from "../world/disk.ts";
import type { SimProcess } from "../world/sim-process.ts";
import type { SimRandom } from "../world/sim-random.ts";
import type { CoreProfile } from "./core-profile.ts";
import type { Registers } from "./registers.ts";

export const CHUNK_BYTES = 1_000;
const CHUNKS_MAX = 6;
const WRITE_MILLIS_MAX = 120;

export const chunksOf = ({ bytes }: SnapshotMeta): number => bytes / CHUNK_BYTES;

/** The snapshot files on one disk: whole ones, and transfers that are not. They outlive processes. */
export class SnapshotShelf {
  readonly #whole = new Map<string, Registers>();
  readonly #received = new Map<string, number>();
  readonly #empty: Registers;

  /** `empty`: what a node without a snapshot starts from. */
  constructor(empty: Registers) {
    this.#empty = empty;
  }

  /** A state machine of its own; throws when the snapshot is not here. */
  recover(snapshot: SnapshotMeta | null): Registers {
    const state = snapshot === null ? this.#empty : this.#whole.get(snapshot.id);
    assert(state !== undefined, "a snapshot that the log names is here");
    return state.copy();
  }

  received(id: string): number {
    return this.#received.get(id) ?? 0;
  }

  put(id: string, state: Registers): void {
    this.#whole.set(id, state);
  }

  noteReceived(id: string, chunks: number): void {
    this.#received.set(id, chunks);
  }
}

export type CoreSnapshotsOptions = {
  readonly peerId: PeerId;
  readonly process: SimProcess;
  readonly random: SimRandom;
  readonly logStore: SimLogStore;
  readonly shelf: SnapshotShelf;
  readonly profile: CoreProfile;
  /** The log would not take its name: the disk has failed. */
  readonly onFailed: (failure: StorageError) => void;
  readonly onCreated: (snapshot: SnapshotMeta, keepFrom: Index) => void;
};

/** Makes snapshots at random moments, and takes in those of others. */
export class CoreSnapshots {
  readonly #options: CoreSnapshotsOptions;
  /** Grows when a snapshot from elsewhere makes one that is being written useless. */
  #epoch = 0;
  #isBusy = false;

  constructor(options: CoreSnapshotsOptions) {
    this.#options = options;
  }

  /** A snapshot from elsewhere is being installed. */
  overtaken(): void {
    this.#epoch += 1;
  }

  maybeCreate(state: Registers, status: Status | null): void {
    const { random, profile, process } = this.#options;
    if (this.#isBusy || status === null || !random.chance(profile.snapshotChance)) return;
    const meta = this.#nameOf(state);
    if (meta === null) return;
    const copy = state.copy();
    const epoch = this.#epoch;
    this.#isBusy = true;
    process.after(random.between(1, WRITE_MILLIS_MAX), () => {
      this.#isBusy = false;
      if (epoch === this.#epoch) this.#record(meta, copy, epoch);
    });
  }

  /** True when that was the last chunk. */
  receive(snapshot: SnapshotMeta, state: Registers, chunk: number): boolean {
    const { shelf } = this.#options;
    shelf.noteReceived(snapshot.id, chunk + 1);
    if (chunk + 1 < chunksOf(snapshot)) return false;
    shelf.put(snapshot.id, state);
    return true;
  }

  #record(meta: SnapshotMeta, state: Registers, epoch: number): void {
    const { shelf, logStore, random, profile, onCreated, onFailed } = this.#options;
    shelf.put(meta.id, state);
    logStore.recordSnapshot(meta, (recorded) => {
      if (!recorded.ok) onFailed(recorded.error);
      if (!recorded.ok || epoch !== this.#epoch) return;
      onCreated(meta, (meta.index + 1 - random.below(profile.keptEntriesMax)) as Index);
    });
  }

  #nameOf({ index, conf }: Registers): SnapshotMeta | null {
    const { peerId, random, logStore } = this.#options;
    const term = logStore.termAt(index);
    if (term === null) return null;
    return {
      index,
      term,
      conf,
      id: `s${index} of n${peerId}, ${random.below(2 ** 30).toString(36)}`,
      bytes: (1 + random.below(CHUNKS_MAX)) * CHUNK_BYTES,
      sha256: "",
    };
  }
}
