import type { AttemptId, Index, JobId, NodeId, PeerId, UnixMillis } from "../lib/ids.ts";
import type { AttemptCause, AttemptEnd, NodeRole } from "./cluster-state.ts";

/**
 * One log entry. Every value that is not a function of the state is chosen before the log and
 * travels here: ids, times, who asked.
 */
export type Command = {
  /** The feature level that introduced this command or changed its meaning. */
  readonly level: number;
  readonly at: UnixMillis;
  readonly principal: string;
  readonly body: CommandBody;
};

export type CommandBody =
  | { readonly kind: "submit-jobs"; readonly jobs: readonly SubmittedJob[] }
  | { readonly kind: "cancel-job"; readonly jobId: JobId }
  | { readonly kind: "assign-attempts"; readonly assignments: readonly Assignment[] }
  | { readonly kind: "report-attempts"; readonly reports: readonly AttemptReport[] }
  | { readonly kind: "register-node"; readonly node: RegisterNode }
  | { readonly kind: "mark-node"; readonly nodeId: NodeId; readonly liveness: "alive" | "lost" }
  | {
      readonly kind: "drain-node";
      readonly nodeId: NodeId;
      readonly deadlineMillis: number;
      readonly message: string;
    }
  | { readonly kind: "undrain-node"; readonly nodeId: NodeId }
  | { readonly kind: "raise-feature-level"; readonly featureLevel: number };

export type SubmittedJob = { readonly jobId: JobId; readonly spec: Uint8Array };

export type Assignment = {
  readonly jobId: JobId;
  readonly number: number;
  readonly nodeId: NodeId;
  readonly cause: AttemptCause;
};

export type AttemptReport = {
  readonly attemptId: AttemptId;
  readonly nodeId: NodeId;
  readonly fence: Index;
  readonly phase: "starting" | "running" | "exited" | "declined";
  readonly startedAt: UnixMillis | null;
  readonly finishedAt: UnixMillis | null;
  readonly end: AttemptEnd | null;
  readonly exitCode: number | null;
  readonly signal: string;
  readonly detail: string;
  readonly stdoutBytes: number;
  readonly stderrBytes: number;
  readonly outputAtLeast: boolean;
  readonly driver: string;
  readonly peakMemoryBytes: number;
};

export type RegisterNode = {
  readonly nodeId: NodeId;
  readonly peerId: PeerId;
  readonly storeId: string;
  readonly roles: readonly NodeRole[];
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly cpuMillis: number;
  readonly memoryBytes: number;
  readonly slots: number;
  readonly drivers: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly featureLevel: number;
  readonly version: string;
};

/** What apply answers the proposer; one outcome per submitted job, one for every other command. */
export type Outcome =
  | { readonly kind: "ok"; readonly index: Index; readonly existed: boolean }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export type Refusal =
  | { readonly kind: "job-conflict"; readonly jobId: JobId }
  | { readonly kind: "unknown-job"; readonly jobId: JobId }
  | {
      readonly kind: "already-over";
      readonly jobId: JobId;
      readonly state: string;
      readonly exitCode: number | null;
    }
  | { readonly kind: "unknown-node"; readonly nodeId: NodeId }
  | { readonly kind: "wrong-store"; readonly nodeId: NodeId }
  | { readonly kind: "not-draining"; readonly nodeId: NodeId }
  | { readonly kind: "queue-full"; readonly limit: number }
  | { readonly kind: "feature-level"; readonly featureLevel: number };

/** The founding state of a cluster: what the snapshot at index 1 holds. */
export type Founding = {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly at: UnixMillis;
  readonly members: readonly {
    readonly nodeId: NodeId;
    readonly peerId: PeerId;
    readonly storeId: string;
    readonly rpcAddress: string;
    readonly httpAddress: string;
  }[];
};
