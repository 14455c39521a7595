import { ClusterService } from "../../../proto/gen/nl/v1/cluster.ts";
import { JobsService } from "../../../proto/gen/nl/v1/jobs.ts";
import { NodesService } from "../../../proto/gen/nl/v1/nodes.ts";
import { WorkerService } from "../../../proto/gen/nl/v1/worker.ts";
import { readSubmission, readSubmissions } from "../messages/submission.ts";
import { cancelJob } from "./cancel-job.ts";
import { getJob, waitJob } from "./get-job.ts";
import { createJoinToken, join, revokeJoinToken } from "./joining.ts";
import { listJobs } from "./list-jobs.ts";
import { listLog } from "./list-log.ts";
import { listMembers, promoteMember, removeMember } from "./members.ts";
import { BATCH_BYTES_MAX, type Method, method } from "./method.ts";
import { drainNode, listNodes, undrainNode } from "./nodes.ts";
import { getDigest, getStatus } from "./status.ts";
import { submitJob, submitJobs } from "./submit-job.ts";
import { transferLeader } from "./transfer-leader.ts";
import { heartbeat, register, report } from "./worker.ts";

export const submitJobsMethod = method(
  { ...JobsService.submitJobs, requestDeserialize: readSubmissions },
  { place: "leader", limitBytes: BATCH_BYTES_MAX },
  submitJobs,
);

/** Every call with one answer, by its full name: what gRPC, HTTP and a forwarded call can reach. */
export const METHODS: ReadonlyMap<string, Method> = new Map(
  [
    method(
      { ...JobsService.submitJob, requestDeserialize: readSubmission },
      { place: "leader" },
      submitJob,
    ),
    submitJobsMethod,
    method(JobsService.getJob, { place: "here" }, getJob),
    method(JobsService.listJobs, { place: "here" }, listJobs),
    method(JobsService.waitJob, { place: "here" }, waitJob),
    method(JobsService.cancelJob, { place: "leader" }, cancelJob),
    method(NodesService.listNodes, { place: "here" }, listNodes),
    method(NodesService.drainNode, { place: "leader" }, drainNode),
    method(NodesService.undrainNode, { place: "leader" }, undrainNode),
    method(ClusterService.getStatus, { place: "here" }, getStatus),
    method(ClusterService.getDigest, { place: "leader" }, getDigest),
    method(ClusterService.transferLeader, { place: "leader" }, transferLeader),
    method(ClusterService.listLog, { place: "here" }, listLog),
    method(ClusterService.listMembers, { place: "leader" }, listMembers),
    method(ClusterService.createJoinToken, { place: "leader" }, createJoinToken),
    method(ClusterService.revokeJoinToken, { place: "leader" }, revokeJoinToken),
    method(ClusterService.join, { place: "leader" }, join),
    method(ClusterService.promoteMember, { place: "leader" }, promoteMember),
    method(ClusterService.removeMember, { place: "leader" }, removeMember),
    method(WorkerService.heartbeat, { place: "leader" }, heartbeat),
    method(WorkerService.report, { place: "leader", limitBytes: BATCH_BYTES_MAX }, report),
    method(WorkerService.register, { place: "leader" }, register),
  ].map((one) => [one.path, one]),
);
