import { ClusterService } from "../../proto/gen/nl/v1/cluster.ts";
import {
  type CancelJobResponse,
  type Job,
  JobsService,
  type ReadOutputRequest,
  type SubmitOutcome,
} from "../../proto/gen/nl/v1/jobs.ts";
import { NodesService } from "../../proto/gen/nl/v1/nodes.ts";
import { ok } from "../lib/result.ts";
import type { Answer, Client, Submission, WatchOptions } from "./client.ts";
import type { Credentials } from "./diagnose-dial.ts";
import { NodePool } from "./node-pool.ts";
import { readOutput } from "./output-reading.ts";
import { saveSnapshot } from "./save-snapshot.ts";
import { SUBMIT_JOB, submissionBytes } from "./submission-bytes.ts";
import { submitBatches } from "./submit-batches.ts";
import { SubmitStream } from "./submit-stream.ts";
import { ONCE, READ, UnaryCalls, WRITE } from "./unary-calls.ts";
import { waitJob } from "./wait-job.ts";
import { RunningWatch } from "./watching.ts";

export type ConnectOptions = {
  /** `host:port` of any nodes of one cluster; the others are found through them. */
  readonly addresses: readonly string[];
  readonly credentials: Credentials;
  /** How long a call is repeated where that is safe; at most 60 s are used. */
  readonly requestTimeoutMillis: number;
  /** A node that leads, and was not the first to be asked: who remembers it saves itself a hop. */
  readonly onLeader?: (address: string) => void;
};

/** A client with the means for bulk work. */
export interface GrpcClient extends Client {
  /** Pipelined submissions over one stream; close it when all are answered. */
  submitStream(): SubmitStream;
}

/** Connects lazily: the first call dials. */
export function connect(options: ConnectOptions): GrpcClient {
  const pool = new NodePool(options.addresses, options.credentials, options.onLeader);
  const calls = new UnaryCalls(pool, options.requestTimeoutMillis);
  return {
    ...jobCalls(calls),
    ...clusterCalls(calls),
    waitJob: (idOrPrefix, signal): Answer<Job> => waitJob(calls, idOrPrefix, signal),
    readOutput: (request, signal) => readOutput(pool, { ...WHOLE_OUTPUT, ...request }, signal),
    watch: (request: WatchOptions, onEvent) => {
      const watching = new RunningWatch(pool, request, onEvent);
      void watching.run();
      return watching;
    },
    saveSnapshot: (signal) => saveSnapshot(pool, signal),
    submitStream: () => new SubmitStream(pool),
    close: () => pool.close(),
  };
}

const WHOLE_OUTPUT: Omit<ReadOutputRequest, "jobId"> = {
  attempt: 0,
  follow: false,
  offset: 0,
  tailBytes: 0,
  untilJobOver: false,
};

type JobCalls = Pick<Client, "submitJob" | "submitJobs" | "getJob" | "listJobs" | "cancelJob">;

function jobCalls(calls: UnaryCalls): JobCalls {
  return {
    submitJob: async (submission) => {
      const bytes = submissionBytes(submission);
      return bytes.ok ? calls.call(SUBMIT_JOB, bytes.value, WRITE) : bytes;
    },
    submitJobs: (submissions: readonly Submission[]): Answer<readonly SubmitOutcome[]> =>
      submitBatches(calls, submissions),
    getJob: (jobId, options) =>
      calls.call(JobsService.getJob, { jobId, stale: options?.stale ?? false }, READ),
    listJobs: (request) =>
      calls.call(
        JobsService.listJobs,
        { states: [], nodeId: "", name: "", limit: 0, cursor: "", stale: false, ...request },
        READ,
      ),
    cancelJob: (jobId) => cancelJob(calls, jobId),
  };
}

/** A repeated cancel may find that the first one, whose answer was lost, has worked. */
async function cancelJob(calls: UnaryCalls, jobId: string): Answer<CancelJobResponse> {
  const cancelled = await calls.call(JobsService.cancelJob, { jobId }, ONCE);
  if (cancelled.ok || cancelled.error.code !== "indefinite") return cancelled;
  const again = await calls.call(JobsService.cancelJob, { jobId }, WRITE);
  if (again.ok || again.error.code !== "already_over") return again;
  const found = await calls.call(JobsService.getJob, { jobId, stale: false }, READ);
  if (!found.ok || found.value.job?.state !== "cancelled") return again;
  const { id, state, updatedIndex } = found.value.job;
  return ok({ jobId: id, state, index: updatedIndex });
}

type ClusterCalls = Omit<
  Client,
  keyof JobCalls | "waitJob" | "readOutput" | "saveSnapshot" | "watch" | "close"
>;

function clusterCalls(calls: UnaryCalls): ClusterCalls {
  return {
    listNodes: (options) =>
      calls.call(NodesService.listNodes, { stale: options?.stale ?? false }, READ),
    drainNode: (request) => calls.call(NodesService.drainNode, request, WRITE),
    undrainNode: (nodeId) => calls.call(NodesService.undrainNode, { nodeId }, ONCE),
    getStatus: () => calls.call(ClusterService.getStatus, {}, READ),
    transferLeader: (to) =>
      calls.call(ClusterService.transferLeader, { to }, { ...ONCE, tryMillis: TRANSFER_MILLIS }),
    listLog: (request) => calls.call(ClusterService.listLog, request, READ),
    listMembers: () => calls.call(ClusterService.listMembers, {}, READ),
    // A token whose answer was lost is of no use to anybody: a second one does no harm.
    createJoinToken: (request) =>
      calls.call(ClusterService.createJoinToken, { role: "server", ...request }, WRITE),
    revokeJoinToken: (tokenId) => calls.call(ClusterService.revokeJoinToken, { tokenId }, WRITE),
    promoteMember: (nodeId) => calls.call(ClusterService.promoteMember, { nodeId }, WRITE),
    removeMember: (request) => calls.call(ClusterService.removeMember, request, WRITE),
  };
}

/** A target that has to catch up first. */
const TRANSFER_MILLIS = 15_000;
