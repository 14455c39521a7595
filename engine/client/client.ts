import type {
  ClusterStatus,
  CreateJoinTokenResponse,
  ListLogResponse,
  ListMembersResponse,
  SavedPiece,
  TransferLeaderResponse,
} from "../../proto/gen/nl/v1/cluster.ts";
import type {
  CancelJobResponse,
  GetJobResponse,
  Job,
  ListJobsRequest,
  ListJobsResponse,
  OutputChunk,
  ReadOutputRequest,
  SubmitJobResponse,
  SubmitOutcome,
} from "../../proto/gen/nl/v1/jobs.ts";
import type { ListNodesResponse, Node } from "../../proto/gen/nl/v1/nodes.ts";
import type { ClusterEvent } from "../../proto/gen/nl/v1/watch.ts";
import type { NlError } from "../lib/error-code.ts";
import type { JobId } from "../lib/ids.ts";
import type { JobSpec } from "../lib/job-spec.ts";
import type { Result } from "../lib/result.ts";

export type {
  ClusterStatus,
  ListMembersResponse,
  LogEntry,
  Member,
  PeerStatus,
  SavedPiece,
  SavedSnapshot,
} from "../../proto/gen/nl/v1/cluster.ts";
export type { Attempt, Job, OutputChunk } from "../../proto/gen/nl/v1/jobs.ts";
export type { Node } from "../../proto/gen/nl/v1/nodes.ts";
export type { ClusterEvent } from "../../proto/gen/nl/v1/watch.ts";

export type Answer<T> = Promise<Result<T, NlError>>;

export type Submission = { readonly jobId: JobId; readonly spec: JobSpec };

/**
 * The one way to talk to a cluster: knows a list of addresses, remembers who answered, tries the
 * others, and repeats what is safe to repeat (a submission with the same id, a cancel, a read) for
 * at most the request timeout.
 */
export interface Client {
  submitJob(submission: Submission): Answer<SubmitJobResponse>;
  /** Outcomes in the order of the submissions. */
  submitJobs(submissions: readonly Submission[]): Answer<readonly SubmitOutcome[]>;
  /** `idOrPrefix`: a whole id, or a unique prefix of four or more characters. */
  getJob(idOrPrefix: string, options?: { readonly stale?: boolean }): Answer<GetJobResponse>;
  listJobs(request: Partial<ListJobsRequest>): Answer<ListJobsResponse>;
  /** Answers once the job is over, however long that takes, or when `signal` aborts. */
  waitJob(idOrPrefix: string, signal: AbortSignal): Answer<Job>;
  cancelJob(idOrPrefix: string): Answer<CancelJobResponse>;
  /**
   * The bytes of an attempt, in order, without gaps or repeats: goes on at the same offset through
   * another node when one dies. Ends after the last chunk, or with an error.
   */
  readOutput(
    request: Partial<ReadOutputRequest> & { readonly jobId: string },
    signal: AbortSignal,
  ): AsyncIterable<Result<OutputChunk, NlError>>;

  listNodes(options?: { readonly stale?: boolean }): Answer<ListNodesResponse>;
  drainNode(request: {
    readonly nodeId: string;
    readonly deadlineMillis: number;
    readonly message: string;
  }): Answer<{ readonly index: number }>;
  undrainNode(nodeId: string): Answer<{ readonly index: number }>;

  getStatus(): Answer<ClusterStatus>;
  /** `to` empty: the most caught-up follower. */
  transferLeader(to: string): Answer<TransferLeaderResponse>;
  /**
   * A snapshot of everything that was acked before the call: first what it is, then its bytes. Ends
   * after the last one, or with an error.
   */
  saveSnapshot(signal: AbortSignal): AsyncIterable<Result<SavedPiece, NlError>>;
  listLog(request: {
    readonly startIndex: number;
    readonly limit: number;
  }): Answer<ListLogResponse>;

  listMembers(): Answer<ListMembersResponse>;
  /** `lifetimeMillis` and `uses` 0: an hour, once. */
  createJoinToken(request: {
    readonly lifetimeMillis: number;
    readonly uses: number;
  }): Answer<CreateJoinTokenResponse>;
  revokeJoinToken(tokenId: string): Answer<{ readonly index: number }>;
  promoteMember(nodeId: string): Answer<{ readonly index: number }>;
  removeMember(request: {
    readonly nodeId: string;
    readonly deadlineMillis: number;
  }): Answer<{ readonly index: number }>;

  watch(request: WatchOptions, onEvent: (event: WatchEvent) => void): Watching;
  close(): void;
}

export type WatchOptions = {
  readonly jobs: boolean;
  readonly nodes: boolean;
  readonly status: boolean;
  /** Empty = all jobs. */
  readonly jobId: string;
  readonly finishedLimit: number;
  /** True: every change comes as an event of its own as well. */
  readonly events?: boolean;
};

/** A running watch. It reconnects to other nodes by itself, and resumes where it was. */
export type Watching = {
  stop(): void;
  /** Gives up the current connection and tries the next address now. */
  reconnect(): void;
};

export type WatchEvent =
  | { readonly kind: "connecting"; readonly address: string }
  | {
      readonly kind: "attached";
      readonly address: string;
      readonly nodeId: string;
      readonly clusterName: string;
      /** True: what was shown before still holds, deltas follow. False: a snapshot follows. */
      readonly resumed: boolean;
    }
  | {
      readonly kind: "snapshot";
      readonly jobs: readonly Job[];
      readonly nodes: readonly Node[];
      /** The first frame of a snapshot replaces what was known. */
      readonly first: boolean;
      readonly done: boolean;
      readonly totalJobs: number;
    }
  | {
      readonly kind: "delta";
      readonly jobs: readonly Job[];
      readonly nodes: readonly Node[];
      readonly removedJobs: readonly string[];
      readonly removedNodes: readonly string[];
      readonly events: readonly ClusterEvent[];
    }
  | { readonly kind: "status"; readonly status: ClusterStatus }
  /** Round trip of the stream's own ping, in milliseconds. */
  | { readonly kind: "alive"; readonly roundTripMillis: number }
  | { readonly kind: "lost"; readonly reason: string; readonly retryInMillis: number }
  /** Not allowed, or not the cluster this client belongs to: there is no point in trying again. */
  | { readonly kind: "refused"; readonly error: NlError };
