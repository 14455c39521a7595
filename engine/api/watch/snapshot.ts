import type { WatchSnapshot } from "../../../proto/gen/nl/v1/watch.ts";
import type { JobId, NodeId } from "../../lib/ids.ts";
import type { ClusterView } from "../../state/cluster-state.ts";
import { isOver } from "../operations/get-job.ts";
import { FRAME_ROWS_MAX, jobRow, nodeRow, type RowSource, SharedFrame } from "./frames.ts";
import type { WatchFilter } from "./pending-changes.ts";
import type { Revision } from "./revision.ts";

/** Jobs that are not over: beyond these a screen pages through ListJobs. */
const UNFINISHED_MAX = 10_000;
const FINISHED_DEFAULT = 1_000;
const FINISHED_MAX = 10_000;
/** Rows looked at to find the finished ones. */
const SCAN_MAX = 50_000;

/**
 * A snapshot on its way to one reader: the ids are chosen at once, the rows read frame by frame as
 * the reader takes them. What changes meanwhile follows as a delta.
 */
export class SnapshotWalk {
  readonly #jobs: readonly JobId[];
  readonly #nodes: readonly NodeId[];
  readonly #revision: Revision;
  #sentJobs = 0;
  #sentNodes = 0;
  #isDone = false;

  constructor(options: {
    readonly view: ClusterView;
    readonly filter: WatchFilter;
    readonly finishedLimit: number;
    readonly revision: Revision;
  }) {
    const { view, filter } = options;
    this.#revision = options.revision;
    this.#nodes = filter.nodes ? [...view.nodes.keys()] : [];
    if (filter.jobId !== null) this.#jobs = [filter.jobId];
    else this.#jobs = filter.jobs ? chooseJobs(view, options.finishedLimit) : [];
  }

  get isDone(): boolean {
    return this.#isDone;
  }

  next(source: RowSource): SharedFrame {
    const value: WatchSnapshot = {
      jobs: [],
      nodes: [],
      done: false,
      totalJobs: source.view.jobs.size,
    };
    for (let room = FRAME_ROWS_MAX; room > 0 && this.#sentNodes < this.#nodes.length; room--) {
      const row = nodeRow(source, this.#nodes[this.#sentNodes] as NodeId);
      if (row !== undefined) value.nodes.push(row);
      this.#sentNodes += 1;
    }
    const room = FRAME_ROWS_MAX - value.nodes.length;
    for (const jobId of this.#jobs.slice(this.#sentJobs, this.#sentJobs + room)) {
      const row = jobRow(source, jobId);
      if (row !== undefined) value.jobs.push(row);
      this.#sentJobs += 1;
    }
    this.#isDone = this.#sentNodes === this.#nodes.length && this.#sentJobs === this.#jobs.length;
    value.done = this.#isDone;
    return new SharedFrame({ $case: "snapshot", value }, this.#isDone ? this.#revision : null);
  }
}

/** Everything that is not over, up to a cap, and the newest that are. */
function chooseJobs(view: ClusterView, finishedLimit: number): readonly JobId[] {
  const chosen = new Set<JobId>();
  for (const nodeId of view.nodes.keys()) {
    for (const attempt of view.liveAttempts(nodeId)) chosen.add(attempt.jobId);
  }
  for (const job of view.pending()) {
    if (chosen.size >= UNFINISHED_MAX) break;
    chosen.add(job.id);
  }
  addFinished(chosen, view, Math.min(finishedLimit || FINISHED_DEFAULT, FINISHED_MAX));
  return [...chosen];
}

function addFinished(chosen: Set<JobId>, view: ClusterView, limit: number): void {
  const full = chosen.size + limit;
  let scanned = 0;
  for (const job of view.newestFirst()) {
    if (chosen.size >= full || scanned === SCAN_MAX) break;
    scanned += 1;
    if (isOver(job)) chosen.add(job.id);
  }
}
