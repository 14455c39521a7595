import type { Index } from "../lib/ids.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotWriter } from "../platform/snapshot-store.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import { StateWalk } from "../state/state-walk.ts";
import type { ReplicaOptions } from "./replica.ts";
import type { AppliedBatch, StateMachine } from "./state-machine.ts";

/** How long a slice of walking holds the loop, and the pause that others get after it. */
const SLICE_MILLIS = 2;
const PAUSE_MILLIS = 2;
/** Records between two looks at the clock: about a quarter of a millisecond. */
const RECORDS_PER_PIECE = 128;
/** Bytes that the disk has not taken yet; beyond it the walk waits for the disk. */
const PENDING_BYTES_MAX = 1024 * 1024;

type Making = {
  readonly walk: StateWalk;
  readonly writer: SnapshotWriter;
  /** Length and hash are known at the end. */
  readonly meta: SnapshotMeta;
  readonly begunAtMillis: number;
  pendingBytes: number;
  /** A slice is arranged for, or the writer is finishing. */
  isBusy: boolean;
  /** The log has been asked to name it: from now on only the log decides whether it is kept. */
  isRecording: boolean;
  longestMillis: number;
};

export type SnapshotMakerHooks = {
  /** Runs `work` on the replica's own turn. */
  readonly enqueue: (work: () => void) => void;
  /** Durable, and named in the log. The log may be cut before `keepFrom`. */
  readonly onMade: (snapshot: SnapshotMeta, keepFrom: Index) => void;
  /** No file came of it: nothing else is lost. */
  readonly onFailed: (error: StorageError) => void;
  /** The log may or may not name it now, and its file stays. As after any failed write: fatal. */
  readonly onLogFailed: (error: StorageError) => void;
};

/**
 * Makes a snapshot of the state each time enough entries or bytes of log have been applied, in
 * slices between the turns of the loop. One at a time.
 */
export class SnapshotMaker {
  readonly #options: ReplicaOptions;
  readonly #machine: StateMachine;
  readonly #hooks: SnapshotMakerHooks;
  #making: Making | null = null;
  /** Applied since the last snapshot was begun, or installed. */
  #entryCount = 0;
  #byteCount = 0;

  constructor(options: ReplicaOptions, machine: StateMachine, hooks: SnapshotMakerHooks) {
    this.#options = options;
    this.#machine = machine;
    this.#hooks = hooks;
  }

  /** Of the snapshot that is being made; null = none. */
  get id(): string | null {
    return this.#making?.meta.id ?? null;
  }

  noteApplied(batch: AppliedBatch): void {
    this.#entryCount += batch.applied.length;
    this.#byteCount += batch.bytes;
  }

  /**
   * Begins one when it is due, or asked for. To be called when nothing of an entry is half applied.
   */
  consider(isAsked: boolean): void {
    const { entries, logBytes } = this.#options.snapshots;
    if (this.#making !== null) return;
    const isDue = this.#entryCount >= entries || this.#byteCount >= logBytes;
    if (isAsked || (isDue && this.#entryCount > 0)) this.#begin();
  }

  /** The state is about to be replaced, or the node stops: what was begun is given up. */
  abandon(): void {
    this.#entryCount = 0;
    this.#byteCount = 0;
    const making = this.#making;
    if (making === null) return;
    this.#making = null;
    making.walk.stop();
    making.writer.abandon();
  }

  /** The log is about to be replaced: what it covers by then must not be named after that. */
  giveWay(): void {
    if (this.#making?.isRecording === false) this.abandon();
  }

  #begin(): void {
    const { peerId, platform } = this.#options;
    const { appliedIndex: index, lastTerm: term, conf } = this.#machine;
    // Names one content for ever: only what the log has recorded is ever shipped or read again, and
    // the log of one node records one snapshot of its own at an index.
    const id = `${index}-${term}-${peerId}`;
    this.#entryCount = 0;
    this.#byteCount = 0;
    this.#making = {
      walk: new StateWalk(this.#machine.state),
      writer: platform.snapshots.create(id),
      meta: { index, term, conf, id, bytes: 0, sha256: "" },
      begunAtMillis: platform.clock.monotonicMillis(),
      pendingBytes: 0,
      isBusy: false,
      isRecording: false,
      longestMillis: 0,
    };
    this.#goOn(this.#making);
  }

  /** Arranges for the next slice, once the disk has kept up. */
  #goOn(making: Making): void {
    if (making.isBusy || making.pendingBytes > PENDING_BYTES_MAX) return;
    making.isBusy = true;
    this.#options.platform.timers.after(PAUSE_MILLIS, () => {
      this.#hooks.enqueue(() => this.#slice(making));
    });
  }

  #slice(making: Making): void {
    if (making !== this.#making) return;
    making.isBusy = false;
    const { clock } = this.#options.platform;
    const begun = clock.monotonicMillis();
    let left = this.#options.snapshots.recordsPerSlice;
    let isWhole = false;
    while (left > 0 && making.pendingBytes <= PENDING_BYTES_MAX && !isWhole) {
      const records = Math.min(left, RECORDS_PER_PIECE);
      isWhole = !this.#write(making, records);
      left -= records;
      if (clock.monotonicMillis() - begun >= SLICE_MILLIS) break;
    }
    making.longestMillis = Math.max(making.longestMillis, clock.monotonicMillis() - begun);
    if (isWhole) this.#finish(making);
    else this.#goOn(making);
  }

  /** False: the walk is over. */
  #write(making: Making, records: number): boolean {
    const piece = making.walk.next(records);
    if (piece === null) return false;
    making.pendingBytes += piece.length;
    making.writer.append(piece, (written) => {
      this.#whileMaking(making, () => {
        making.pendingBytes -= piece.length;
        if (written.ok) this.#goOn(making);
        else this.#fail(making, written.error);
      });
    });
    return true;
  }

  #finish(making: Making): void {
    making.isBusy = true;
    making.writer.finish((finished) => {
      this.#whileMaking(making, () => {
        if (finished.ok) this.#record(making, { ...making.meta, ...finished.value });
        else this.#fail(making, finished.error);
      });
    });
  }

  #record(making: Making, snapshot: SnapshotMeta): void {
    making.isRecording = true;
    this.#options.platform.logStore.recordSnapshot(snapshot, (recorded) => {
      this.#whileMaking(making, () => {
        this.#making = null;
        if (!recorded.ok) {
          this.#hooks.onLogFailed(recorded.error);
          return;
        }
        this.#say(making, snapshot);
        const { keepEntries } = this.#options.snapshots;
        const keepFrom = Math.max(1, snapshot.index + 1 - keepEntries) as Index;
        this.#hooks.onMade(snapshot, keepFrom);
      });
    });
  }

  #fail(making: Making, error: StorageError): void {
    this.abandon();
    if (error.kind === "full") {
      this.#log("warn", "there was no room for a snapshot", { id: making.meta.id });
    }
    this.#hooks.onFailed(error);
  }

  /** On the replica's turn, unless it was given up meanwhile. */
  #whileMaking(making: Making, work: () => void): void {
    this.#hooks.enqueue(() => {
      if (making === this.#making) work();
    });
  }

  #say(making: Making, { id, index, bytes }: SnapshotMeta): void {
    const { clock } = this.#options.platform;
    const tookMillis = Math.round(clock.monotonicMillis() - making.begunAtMillis);
    const longestSliceMillis = Math.round(making.longestMillis * 10) / 10;
    this.#log("info", "made a snapshot", { id, index, bytes, tookMillis, longestSliceMillis });
  }

  #log(level: "info" | "warn", message: string, fields: Record<string, string | number>): void {
    this.#options.platform.logger.log(level, message, fields);
  }
}
