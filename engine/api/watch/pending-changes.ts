import type { JobId, NodeId } from "../../lib/ids.ts";
import type { Fact } from "../../state/fact.ts";
import { jobOf } from "../job-changes.ts";
import type { Change } from "./change-ring.ts";
import type { Revision } from "./revision.ts";

/** What a watch asks for; `jobId` null = all jobs. */
export type WatchFilter = {
  readonly jobs: boolean;
  readonly nodes: boolean;
  readonly events: boolean;
  readonly jobId: JobId | null;
};

/** Changed rows that a reader has not been sent yet: each once, whatever happened to it. */
export class PendingChanges {
  readonly jobs = new Set<JobId>();
  readonly nodes = new Set<NodeId>();
  readonly events: Change[] = [];
  /** Of the newest change considered, also when nothing of it was wanted. */
  revision: Revision | null = null;

  get size(): number {
    return this.jobs.size + this.nodes.size + this.events.length;
  }

  add(change: Change, filter: WatchFilter): void {
    const { fact } = change;
    this.revision = fact;
    const jobId = jobOf(fact);
    if (filter.jobId !== null && filter.jobId !== jobId) return;
    if (filter.events) this.events.push(change);
    if (jobId !== undefined && filter.jobs) this.jobs.add(jobId);
    if (filter.nodes && showsNode(fact)) this.nodes.add(fact.nodeId);
  }

  merge(other: PendingChanges): void {
    for (const jobId of other.jobs) this.jobs.add(jobId);
    for (const nodeId of other.nodes) this.nodes.add(nodeId);
    for (const event of other.events) this.events.push(event);
    this.revision = other.revision ?? this.revision;
  }

  clear(): void {
    this.jobs.clear();
    this.nodes.clear();
    this.events.length = 0;
    this.revision = null;
  }
}

/** A node's row counts its attempts. */
const showsNode = (fact: Fact): fact is Extract<Fact, { readonly nodeId: NodeId }> =>
  fact.kind === "node-changed" || fact.kind === "node-removed" || fact.kind === "attempt-changed";
