import type { Index, Term } from "../../lib/ids.ts";
import { err, ok } from "../../lib/result.ts";
import type { Done } from "../../platform/completion.ts";
import type { LogStore, StorageError } from "../../platform/log-store.ts";
import type { SnapshotStore } from "../../platform/snapshot-store.ts";
import type { Boot, Entry, HardState, PersistJob, SnapshotMeta } from "../../raft/types.ts";
import type { Founding } from "../../state/command.ts";
import { encodeFounding } from "../../state/founding-codec.ts";
import type { FakeWorld } from "./fake-world.ts";

const WRITE_MILLIS = 1;

/** A log in memory that survives `close`; made for one founding snapshot. */
export class FakeLogStore implements LogStore, SnapshotStore {
  readonly #world: FakeWorld;
  readonly #founding: Founding;
  readonly #snapshot: SnapshotMeta;
  #hardState: HardState | null = null;
  #entries: Entry[] = [];
  /** Set to make every later write fail. */
  failure: StorageError | null = null;

  constructor(world: FakeWorld, founding: Founding) {
    this.#world = world;
    this.#founding = founding;
    const voters = founding.members.map(({ peerId }) => peerId);
    const conf = {
      voters,
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    };
    const position = { index: 1 as Index, term: 1 as Term };
    this.#snapshot = { ...position, conf, id: "founding", bytes: 0, sha256: "" };
  }

  boot(done: Done<Boot, StorageError>): void {
    this.#soon(done, {
      hardState: this.#hardState,
      snapshot: this.#snapshot,
      applied: 1 as Index,
      termRuns: termRunsOf(this.#snapshot, this.#entries),
      confEntries: this.#entries.filter(({ kind }) => kind === "conf"),
      tail: this.#entries.slice(-2),
      lastIndex: this.#entries.at(-1)?.index ?? this.#snapshot.index,
      damaged: false,
    });
  }

  write(job: PersistJob, done: Done<void, StorageError>): void {
    const { failure } = this;
    if (failure !== null) {
      this.#world.timers.after(WRITE_MILLIS, () => done(err(failure)));
      return;
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
    this.#soon(
      done,
      this.#entries.filter(({ index }) => index >= lo && index < hi),
    );
  }

  truncateBefore(): void {}

  close(done: Done<void, StorageError>): void {
    this.#soon(done, undefined);
  }

  read(_snapshot: SnapshotMeta, done: Done<Uint8Array, StorageError>): void {
    this.#soon(done, encodeFounding(this.#founding));
  }

  #soon<T>(done: Done<T, StorageError>, value: T): void {
    this.#world.timers.after(WRITE_MILLIS, () => done(ok(value)));
  }
}

function termRunsOf(snapshot: SnapshotMeta, entries: readonly Entry[]): Boot["termRuns"] {
  const runs = [{ from: snapshot.index, term: snapshot.term }];
  for (const { index, term } of entries) {
    if (runs.at(-1)?.term !== term) runs.push({ from: index, term });
  }
  return runs;
}
