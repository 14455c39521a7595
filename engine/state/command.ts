import type { AttemptId, Index, JobId, NodeId, PeerId, UnixMillis } from "../lib/ids.ts";
import type { AttemptCause, AttemptEnd, NodeRole, Seat } from "./cluster-state.ts";

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
  | { readonly kind: "raise-feature-level"; readonly featureLevel: number }
  | {
      readonly kind: "create-join-token";
      readonly tokenId: string;
      readonly secretHash: string;
      readonly role: NodeRole;
      readonly lifetimeMillis: number;
      readonly uses: number;
    }
  | { readonly kind: "revoke-join-token"; readonly tokenId: string }
  | {
      readonly kind: "redeem-join-token";
      readonly tokenId: string;
      readonly secretHash: string;
      readonly node: JoiningNode;
    }
  | { readonly kind: "set-seat"; readonly nodeId: NodeId; readonly seat: GivenSeat }
  | { readonly kind: "leave-node"; readonly nodeId: NodeId; readonly deadlineMillis: number }
  | { readonly kind: "forget-node"; readonly nodeId: NodeId }
  /** Follows a change of members, so that the change is final once this is committed. */
  | {
      readonly kind: "note-members";
      readonly voters: readonly PeerId[];
      readonly learners: readonly PeerId[];
    };

/** A seat that people give; the other two come with joining and leaving. */
export type GivenSeat = Extract<Seat, "voter" | "learner">;

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

/** A node that asks to come in. Its ids are chosen at apply; `storeId` makes asking again safe. */
export type JoiningNode = {
  /** Empty = the cluster chooses. */
  readonly name: NodeId | "";
  readonly storeId: string;
  readonly rpcAddress: string;
  readonly httpAddress: string;
  readonly seat: GivenSeat;
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
  /** On its way out: nothing of it can be taken back. */
  | { readonly kind: "leaving"; readonly nodeId: NodeId }
  | { readonly kind: "not-leaving"; readonly nodeId: NodeId }
  /** It may still run tasks: it must drain, or be lost, first. */
  | { readonly kind: "still-working"; readonly nodeId: NodeId }
  | { readonly kind: "not-a-server"; readonly nodeId: NodeId }
  | { readonly kind: "name-taken"; readonly nodeId: NodeId }
  | { readonly kind: "removed-node"; readonly nodeId: NodeId }
  | { readonly kind: "too-many-tokens"; readonly limit: number }
  | {
      readonly kind: "bad-token";
      readonly why: "unknown" | "expired" | "used-up" | "revoked" | "wrong-secret";
    }
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
