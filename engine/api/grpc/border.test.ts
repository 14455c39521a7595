import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client, credentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { ForwardService } from "../../../proto/gen/nl/v1/forward.ts";
import { Failure, JobsService } from "../../../proto/gen/nl/v1/jobs.ts";
import { WatchService } from "../../../proto/gen/nl/v1/watch.ts";
import { WorkerService } from "../../../proto/gen/nl/v1/worker.ts";
import type { NodeId, UnixMillis } from "../../lib/ids.ts";
import {
  issueClientCertificate,
  issueNodeCertificate,
  type KeyedCertificate,
} from "../../security/certificates.ts";
import { LiveCluster, newJobId, value } from "../testing/live-cluster.ts";

const now = Date.now() as UnixMillis;
const clients: Client[] = [];
let cluster: LiveCluster;
let user: Client;
let node: Client;
let worker: Client;

beforeAll(async () => {
  cluster = await LiveCluster.start(1);
  await cluster.leader();
  const { authority } = cluster;
  const ofNode = async (nodeId: string) =>
    value(await issueNodeCertificate(authority, { nodeId: nodeId as NodeId, addresses: [], now }));
  user = open(
    value(await issueClientCertificate(authority, { user: "alice", role: "admin", now })),
  );
  node = open(await ofNode("n1"));
  worker = open(await ofNode("w1"));
});
afterAll(async () => {
  for (const client of clients) client.close();
  await cluster.stop();
});

function open(leaf: KeyedCertificate): Client {
  const [address = ""] = cluster.addresses;
  const pem = (text: string): Buffer => Buffer.from(text);
  const client = new Client(
    address,
    credentials.createSsl(
      pem(cluster.authority.certificatePem),
      pem(leaf.keyPem),
      pem(leaf.certificatePem),
    ),
    { "grpc.ssl_target_name_override": "nl-cluster", "grpc.use_local_subchannel_pool": 1 },
  );
  clients.push(client);
  return client;
}

const asIs = (bytes: Buffer): Buffer => bytes;

/** The code of the failure that a call ends with; empty = it succeeded. */
function call(client: Client, path: string, request: Uint8Array): Promise<string> {
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, asIs, asIs, Buffer.from(request), (failure) => {
      resolve(failure === null ? "" : codeOf(failure));
    });
  });
}

function codeOf(failure: ServiceError): string {
  const [trailer] = failure.metadata.get("nl-failure-bin");
  return Buffer.isBuffer(trailer) ? Failure.decode(trailer).code : `bare ${failure.code}`;
}

const forward = (principal: string, method: string): Buffer =>
  ForwardService.call.requestSerialize({
    principal,
    method,
    request: Buffer.alloc(0),
    deadlineMillis: 1_000,
  });

const beat = (nodeId: string): Buffer =>
  WorkerService.heartbeat.requestSerialize({
    nodeId,
    attemptIds: [],
    clockAt: 1,
    running: 0,
    memoryUsedBytes: 0,
    cpuUsedMillis: 0,
  });

describe("the border of the API", () => {
  test("refuses bytes that are no message, with a reason", async () => {
    const garbage = Buffer.from([0xff, 0xff, 0xff, 0xff]);

    expect(await call(user, JobsService.submitJob.path, garbage)).toBe("invalid_argument");
    expect(await call(user, JobsService.getJob.path, garbage)).toBe("invalid_argument");
  });

  test("measures a request before it decodes it, method by method", async () => {
    const large = Buffer.alloc(300 * 1024);

    expect(await call(user, JobsService.submitJob.path, large)).toBe("too_large");
    expect(await call(user, JobsService.submitJobs.path, large)).not.toBe("too_large");
  });

  test("lets no user speak for the nodes, and no node for its users", async () => {
    const submit = forward("user/root:admin", JobsService.submitJob.path);

    expect(await call(user, ForwardService.call.path, submit)).toBe("forbidden");
    expect(await call(user, WorkerService.heartbeat.path, beat("n1"))).toBe("forbidden");
    expect(await call(node, JobsService.submitJob.path, Buffer.alloc(0))).toBe("forbidden");
  });

  test("lets no worker relay calls: only a server of the cluster does", async () => {
    const list = forward("user/root:admin", JobsService.listJobs.path);

    expect(await call(worker, ForwardService.call.path, list)).toBe("forbidden");
    expect(await call(node, ForwardService.call.path, list)).toBe("");
  });

  test("authorises a relayed call again, and takes none without a name", async () => {
    const asViewer = forward("user/vera:viewer", JobsService.submitJob.path);
    const nameless = forward("somebody", JobsService.listJobs.path);

    expect(await call(node, ForwardService.call.path, asViewer)).toBe("forbidden");
    expect(await call(node, ForwardService.call.path, nameless)).toBe("invalid_argument");
  });

  test("lets a node speak for itself only", async () => {
    expect(await call(node, WorkerService.heartbeat.path, beat("n2"))).toBe("forbidden");
    expect(await call(node, WorkerService.heartbeat.path, beat("n1"))).toBe("");
  });

  test("lets no worker make a server of itself, which could then relay for every user", async () => {
    const asServer = WorkerService.register.requestSerialize({
      ...{ nodeId: "w1", peerId: 77, storeId: "store-w1", roles: ["server", "worker"] },
      ...{ rpcAddress: "127.0.0.1:1", httpAddress: "", cpuMillis: 1, memoryBytes: 1, slots: 1 },
      ...{ drivers: [], labels: {}, featureLevel: 1, version: "test" },
    });

    expect(await call(worker, WorkerService.register.path, asServer)).toBe("forbidden");
  });

  test("refuses a stream that opens with nonsense", async () => {
    const stream = user.makeServerStreamRequest(
      WatchService.watch.path,
      asIs,
      asIs,
      Buffer.alloc(5_000),
      new Metadata(),
    );
    const ended = new Promise<string>((resolve) => {
      stream.on("error", (failure: ServiceError) => resolve(codeOf(failure)));
    });
    stream.resume();

    expect(await ended).toBe("too_large");
  });

  test("tells apart what does not exist from what may not be seen", async () => {
    const request = JobsService.getJob.requestSerialize({ jobId: newJobId(), stale: false });

    expect(await call(user, JobsService.getJob.path, request)).toBe("not_found");
    expect(await call(user, "/nl.v1.Jobs/DeleteAll", request)).toMatch(/^bare/);
  });
});
