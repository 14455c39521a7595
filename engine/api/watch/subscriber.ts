import type { NlError } from "../../lib/error-code.ts";
import type { ClusterView } from "../../state/cluster-state.ts";
import { deltaFrames, type RowSource, SharedFrame } from "./frames.ts";
import { PendingChanges, type WatchFilter } from "./pending-changes.ts";
import type { Revision } from "./revision.ts";
import { SnapshotWalk } from "./snapshot.ts";

/** The reader's end of a watch, whatever carries it. */
export interface WatchSink {
  /** False: the reader is behind. Nothing more is sent before `WatchSession.drained`. */
  send(frame: SharedFrame): boolean;
  /** The watch ends from this side. */
  end(error: NlError): void;
}

/** Rows that wait for a slow reader; more of them cost it a new snapshot. */
const BACKLOG_MAX = 10_000;

/** One reader: first a snapshot or the changes since its revision, then deltas as it takes them. */
export class Subscriber {
  readonly filter: WatchFilter;
  readonly wantsStatus: boolean;
  readonly #sink: WatchSink;
  readonly #finishedLimit: number;
  readonly #backlog = new PendingChanges();
  #walk: SnapshotWalk | null = null;
  #resync = "";
  /** Since when the reader has not taken anything; null = it keeps up. */
  #blockedAtMillis: number | null = null;

  constructor(options: {
    readonly filter: WatchFilter;
    readonly wantsStatus: boolean;
    readonly finishedLimit: number;
    readonly sink: WatchSink;
  }) {
    this.filter = options.filter;
    this.wantsStatus = options.wantsStatus;
    this.#finishedLimit = options.finishedLimit;
    this.#sink = options.sink;
  }

  /** True when a frame for everybody is a frame for this reader. */
  get isCurrent(): boolean {
    return (
      this.#blockedAtMillis === null &&
      this.#walk === null &&
      this.#resync === "" &&
      this.#backlog.revision === null
    );
  }

  get blockedAtMillis(): number | null {
    return this.#blockedAtMillis;
  }

  startSnapshot(view: ClusterView, revision: Revision): void {
    const { filter } = this;
    this.#backlog.clear();
    this.#walk = new SnapshotWalk({
      view,
      filter,
      finishedLimit: this.#finishedLimit,
      revision,
    });
  }

  /** The next thing this reader gets is `resync`, then a new snapshot. */
  requireResync(reason: string): void {
    this.#walk = null;
    this.#backlog.clear();
    this.#resync = reason;
  }

  /** Keeps changes for later; too many of them cost a resync. */
  keep(changes: PendingChanges): void {
    if (this.#resync !== "") return;
    this.#backlog.merge(changes);
    if (this.#backlog.size > BACKLOG_MAX) this.requireResync("the reader was too slow");
  }

  /** Sends one frame; `now` is monotonic. */
  send(frame: SharedFrame, now: number): void {
    if (!this.#sink.send(frame)) this.#blockedAtMillis = now;
  }

  drained(): void {
    this.#blockedAtMillis = null;
  }

  end(error: NlError): void {
    this.#sink.end(error);
  }

  /** Sends what is due until the reader is behind or nothing is left. */
  pump(source: RowSource, at: { readonly now: number; readonly revision: Revision }): void {
    if (this.#resync !== "" && this.#blockedAtMillis === null) {
      const reason = this.#resync;
      this.#resync = "";
      this.send(new SharedFrame({ $case: "resync", value: { reason } }), at.now);
      this.startSnapshot(source.view, at.revision);
    }
    while (this.#walk !== null && this.#blockedAtMillis === null) {
      this.send(this.#walk.next(source), at.now);
      if (this.#walk.isDone) this.#walk = null;
    }
    if (this.#walk !== null || this.#blockedAtMillis !== null) return;
    if (this.#backlog.revision === null) return;
    // All frames of one flush: their number is bounded by the backlog.
    for (const frame of deltaFrames(source, this.#backlog)) this.send(frame, at.now);
    this.#backlog.clear();
  }
}
