import type { NlError } from "../lib/error-code.ts";
import type { Index, JobId, NodeId } from "../lib/ids.ts";
import type { Done } from "../platform/completion.ts";
import type { Heartbeat, HeartbeatAnswer } from "../platform/control-link.ts";
import type { AttemptReport, RegisterNode } from "../state/command.ts";

/** What the leader has heard of a node since it began to lead. */
export type NodeHearing = {
  readonly lastHeardMillis: number;
  /** Silent for so long that it gets no new work. */
  readonly suspect: boolean;
};

/**
 * The part of the leader's duties that calls reach. While this node does not lead, every call is
 * answered `no_leader` and there is nothing to know.
 */
export interface LeaderDuties {
  heartbeat(beat: Heartbeat, done: Done<HeartbeatAnswer, NlError>): void;
  report(reports: readonly AttemptReport[], done: Done<Index, NlError>): void;
  register(node: RegisterNode, done: Done<Index, NlError>): void;
  /** Empty while this node does not lead. */
  hearings(): ReadonlyMap<NodeId, NodeHearing>;
  /** What another server says of the room on its disk. */
  hearDisk(nodeId: NodeId, isLow: boolean): void;
  /** One sentence; empty when the job does not wait or the reason is not known (yet). */
  waitingFor(jobId: JobId): string;
}
