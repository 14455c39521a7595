import { assert } from "../../lib/assert.ts";
import type { Index, Term } from "../../lib/ids.ts";
import { err, ok } from "../../lib/result.ts";
import type { Done } from "../../platform/completion.ts";
import type { LogStore, StorageError } from "../../platform/log-store.ts";
import type { Boot, Entry, HardState, PersistJob, SnapshotMeta } from "../../raft/types.ts";
import type { Founding } from "../../state/command.ts";
import { createState } from "../../state/create-state.ts";
import { encodeState } from "../../state/state-walk.ts";
import { type SnapshotMemory, snapshotMemory } from "../../storage/memory-snapshots.ts";
import { digestOf } from "../../storage/snapshot-bytes.ts";
import type { FakeWorld } from "./fake-world.ts";

type FakeFounding = { readonly founding: Founding; readonly voterCount: number };

/** A log in memory that survives `close`; begins with a founding snapshot, or with nothing. */
export class FakeLogStore implements LogStore {
  readonly #world: FakeWorld;
  /** What of the founding snapshot's bytes outlives the process. */
  readonly snapshots: SnapshotMemory;
  #snapshot: SnapshotMeta | null = null;
  #hardState: HardState | null = null;
  #entries: Entry[] = [];
  /** How long a write takes. */
  writeMillis = 1;
  /** Set to make every later write fail. */
  failure: StorageError | null = null;
  /** Set to make every later recording of a snapshot fail. */
  recordFailure: StorageError | null = null;
  /** Set to leave no room for snapshots of this node's own. */
  isFull = false;

  /** `begin` null: the log of a node that has joined. */
  constructor(world: FakeWorld, begin: FakeFounding | null) {
    this.#world = world;
    this.snapshots = snapshotMemory([]);
    if (begin === null) return;
    const { founding, voterCount } = begin;
    const bytes = encodeState(createState(founding));
    this.snapshots = snapshotMemory([["founding", bytes]]);
    const voters = founding.members.slice(0, voterCount).map(({ peerId }) => peerId);
    const conf = {
      voters,
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const position = { index: 1 as Index, term: 1 as Term };
    const sha256 = digestOf(bytes).sha256();
    this.#snapshot = { ...position, conf, id: "founding", bytes: bytes.length, sha256 };
  }

  boot(done: Done<Boot, StorageError>): void {
    this.#soon(done, {
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      applied: this.#snapshotIndex,
      termRuns: termRunsOf(this.#entries),
      confEntries: this.#confEntries(),
      tail: this.#entries.slice(-2),
      lastIndex: this.#entries.at(-1)?.index ?? this.#snapshotIndex,
      damaged: false,
    });
  }

  write(job: PersistJob, done: Done<void, StorageError>): void {
    const { failure } = this;
    if (failure !== null) {
      this.#world.timers.after(this.writeMillis, () => done(err(failure)));
      return;
    }
    if (job.snapshot !== null) {
      this.#snapshot = job.snapshot;
      this.#entries = [];
    }
    const first = job.entries[0];
    if (first !== undefined) {
      this.#entries = this.#entries.filter(({ index }) => index < first.index);
      this.#entries.push(...job.entries);
    }
    if (job.hardState !== null) this.#hardState = job.hardState;
    this.#soon(done, undefined);
  }

  entries(
    lo: Index,
    hi: Index,
    _maxBytes: number,
    done: Done<readonly Entry[] | "compacted", StorageError>,
  ): void {
    const first = this.#entries[0]?.index ?? this.#snapshotIndex + 1;
    const found = this.#entries.filter(({ index }) => index >= lo && index < hi);
    this.#soon(done, lo < first ? "compacted" : found);
  }

  recordSnapshot(snapshot: SnapshotMeta, done: Done<void, StorageError>): void {
    const failure = this.recordFailure;
    if (failure !== null) {
      this.#world.timers.after(this.writeMillis, () => done(err(failure)));
      return;
    }
    assert(snapshot.index >= this.#snapshotIndex, "snapshots do not go back");
    this.#snapshot = snapshot;
    this.#soon(done, undefined);
  }

  truncateBefore(before: Index): void {
    const limit = Math.min(before, this.#snapshotIndex + 1);
    this.#entries = this.#entries.filter(({ index }) => index >= limit);
  }

  close(done: Done<void, StorageError>): void {
    this.#soon(done, undefined);
  }

  get #snapshotIndex(): Index {
    return this.#snapshot?.index ?? (0 as Index);
  }

  #confEntries(): readonly Entry[] {
    const covered = this.#snapshotIndex;
    return this.#entries.filter(({ kind, index }) => kind === "conf" && index > covered);
  }

  #soon<T>(done: Done<T, StorageError>, value: T): void {
    this.#world.timers.after(this.writeMillis, () => done(ok(value)));
  }
}

function termRunsOf(entries: readonly Entry[]): Boot["termRuns"] {
  const runs: { from: Index; term: Entry["term"] }[] = [];
  for (const { index, term } of entries) {
    if (runs.at(-1)?.term !== term) runs.push({ from: index, term });
  }
  return runs;
}
