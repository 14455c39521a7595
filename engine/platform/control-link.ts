import type { NlError } from "../lib/error-code.ts";
import type { AttemptId, Index, NodeId, Term, UnixMillis } from "../lib/ids.ts";
import type { AttemptReport, RegisterNode } from "../state/command.ts";
import type { Done } from "./completion.ts";

export type Heartbeat = {
  readonly nodeId: NodeId;
  readonly attemptIds: readonly AttemptId[];
  readonly clockAt: UnixMillis;
  readonly running: number;
  readonly memoryUsedBytes: number;
  readonly cpuUsedMillis: number;
};

export type HeartbeatAnswer = {
  readonly term: Term;
  readonly commitIndex: Index;
  readonly granted: boolean;
};

/** How a node's executor reaches the leader: heartbeats, reports, registration. May be lost. */
export interface ControlLink {
  heartbeat(beat: Heartbeat, done: Done<HeartbeatAnswer, NlError>): void;
  /** Done = committed and applied by the leader; repeat until the own replica shows it. */
  report(reports: readonly AttemptReport[], done: Done<Index, NlError>): void;
  register(node: RegisterNode, done: Done<Index, NlError>): void;
}
