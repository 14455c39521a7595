import { availableParallelism, freemem, loadavg, totalmem } from "node:os";
import { join } from "node:path";
import { credentials } from "@grpc/grpc-js";
import { type Api, createApi } from "./api/api.ts";
import { createControlLink } from "./api/control-link.ts";
import { registerApi } from "./api/grpc/register-api.ts";
import { listenForJoins } from "./api/http/join-listener.ts";
import { bunClock, bunRandom, bunTimers } from "./bun-platform.ts";
import type { NodeConfig } from "./config/node-config.ts";
import { createExecutor, type Executor } from "./executor/executor.ts";
import { noTasks } from "./executor/no-tasks.ts";
import { EXECUTOR_DEFAULTS } from "./executor/settings.ts";
import { createLeaderDuties } from "./leader/leader-duties.ts";
import { LEADER_DEFAULTS } from "./leader/settings.ts";
import { type NlError, nlError } from "./lib/error-code.ts";
import { NOBODY, type NodeId, type PeerId } from "./lib/ids.ts";
import type { DriverChoice } from "./lib/job-spec.ts";
import { TASK_HOST_AWAY } from "./lib/node-warnings.ts";
import { err, ok, type Result } from "./lib/result.ts";
import type { ControlLink } from "./platform/control-link.ts";
import type { DiskRoom } from "./platform/disk-room.ts";
import type { LogStore, StorageError } from "./platform/log-store.ts";
import type { Logger } from "./platform/logger.ts";
import type { OutputReader } from "./platform/output-reader.ts";
import type { SnapshotStore } from "./platform/snapshot-store.ts";
import type { TaskHost } from "./platform/task-host.ts";
import { recordedRaft } from "./raft/recorded-raft.ts";
import type { RecordKeeper } from "./raft/recording.ts";
import { createReplica } from "./replica/create-replica.ts";
import type { Replica } from "./replica/replica.ts";
import {
  certificateDirectory,
  loadAuthority,
  type TlsIdentity,
} from "./security/certificate-files.ts";
import { FEATURE_LEVEL } from "./state/feature-level.ts";
import { specOf } from "./state/spec-of.ts";
import { LastInputs } from "./storage/last-inputs.ts";
import { RecordingFile } from "./storage/recording-file.ts";
import { stepsDown } from "./task-host/steps-down.ts";
import { GrpcLeaderLink } from "./transport/grpc-leader-link.ts";
import { GrpcOutputLink } from "./transport/grpc-output-link.ts";
import { GrpcServer } from "./transport/grpc-server.ts";
import { GrpcSnapshotLink, registerSnapshots } from "./transport/grpc-snapshot-link.ts";
import { GrpcTransport, registerRaft } from "./transport/grpc-transport.ts";

/** Composes one node out of its modules: no logic of its own. */

export type NodeParts = {
  readonly identity: {
    readonly clusterId: string;
    readonly nodeId: NodeId;
    readonly peerId: PeerId;
    readonly storeId: string;
  };
  /** `host:port`, as the other members reach it; it listens there. */
  readonly rpcAddress: string;
  readonly httpAddress: string;
  /** Where a broken invariant leaves the inputs that led to it. */
  readonly directory: string;
  readonly tls: TlsIdentity;
  readonly logStore: LogStore;
  readonly snapshots: SnapshotStore;
  readonly disk: DiskRoom;
  /** Null on a node that only serves. */
  readonly worker: (TaskHost & OutputReader) | null;
  readonly config: NodeConfig;
  readonly version: string;
  readonly logger: Logger;
};

export type RunningNode = {
  /** Hands leadership over, lets calls finish, closes the log. Tasks go on. */
  stop(): Promise<void>;
  /** Resolves when the node can not go on by itself: its disk failed, or a bug stopped apply. */
  readonly failed: Promise<{ readonly reason: string; readonly error: StorageError | null }>;
};

/** Read of the state in one slice of a snapshot, beside the bound of its time. */
const SNAPSHOT_SLICE_RECORDS = 4_096;
const PROPOSALS_MAX = 256;
const COMMIT_WAIT_MILLIS = 5_000;
const DRAIN_CALLS_MILLIS = 1_000;

export async function startNode(parts: NodeParts): Promise<Result<RunningNode, NlError>> {
  const platform = { clock: bunClock(), timers: bunTimers(), random: bunRandom() };
  const { identity, tls, logger } = parts;
  const { replica, transport, snapshotLink } = consensus(parts, platform);
  const failed = Promise.withResolvers<Awaited<RunningNode["failed"]>>();
  replica.listen({ onStopped: (reason, error) => failed.resolve({ reason, error }) });

  const started = await new Promise<Result<void, StorageError>>((done) => replica.start(done));
  if (!started.ok) {
    await new Promise<void>((done) => parts.logStore.close(() => done()));
    return err(storageRefusal(started.error));
  }
  for (const message of damageOf(replica)) logger.log("warn", message);
  const server = new GrpcServer({ tls, timers: platform.timers });
  const links = linksOf(tls, platform.clock);
  const { api, duties, warnings } = serve({ parts, platform, replica, links, server });
  registerRaft(server.server, transport);
  registerSnapshots(server.server, snapshotLink);
  const { host, port } = splitAddress(parts.rpcAddress);
  const listening = await server.listen({ host, port });
  if (!listening.ok) {
    await new Promise<void>((done) => replica.stop({ handOver: false }, done));
    return err(listenRefusal(parts.rpcAddress, listening.error.kind));
  }
  api.start();
  parts.disk.start(() => duties.considerHandOver());
  const link = createControlLink({ api, nodeId: identity.nodeId, clock: platform.clock });
  const joining = await letNodesJoin({ parts, platform, api });
  const executor = startExecutor({ parts, platform, replica, link, warnings });

  return ok({
    failed: failed.promise,
    async stop() {
      executor.stop();
      joining.stop();
      parts.disk.stop();
      // Whoever waits here is sent elsewhere before leadership moves.
      api.stop();
      await new Promise<void>((done) => replica.stop({ handOver: true }, done));
      duties.stop();
      await server.stop(DRAIN_CALLS_MILLIS);
      links.leader.close();
      links.output.close();
      parts.worker?.stop();
    },
  });
}

/** One Raft node: its log, its links to the peers, and the loop that drives it. */
function consensus(parts: NodeParts, platform: Platform) {
  const { identity, tls, logger, config, logStore, snapshots } = parts;
  const transport = new GrpcTransport({
    clusterId: identity.clusterId,
    self: { ...identity, address: parts.rpcAddress },
    tls,
    logger,
    timers: platform.timers,
    random: platform.random,
  });
  const keepers = recordKeepers(parts);
  const snapshotLink = snapshotLinkOf(parts, { ...platform, handshake: transport });
  const replica = createReplica({
    ...identity,
    createRaft: (config, boot) => recordedRaft(config, boot, keepers),
    tickMillis: config.tickMillis,
    electionTicks: config.electionTicksMin,
    heartbeatTicks: config.heartbeatTicks,
    campaigns: config.campaigns,
    maxWaitingProposals: PROPOSALS_MAX,
    commitWaitMillis: COMMIT_WAIT_MILLIS,
    snapshots: { ...config.snapshots, recordsPerSlice: SNAPSHOT_SLICE_RECORDS },
    platform: { ...platform, logStore, snapshots, snapshotLink, transport, logger },
  });
  return { replica, transport, snapshotLink };
}

function snapshotLinkOf(
  { identity, tls, logger, snapshots }: NodeParts,
  { clock, timers, handshake }: Platform & { readonly handshake: GrpcTransport },
): GrpcSnapshotLink {
  const { clusterId } = identity;
  const store = snapshots;
  return new GrpcSnapshotLink({ clusterId, handshake, tls, store, timers, clock, logger });
}

const LAST_INPUTS_FILE = "broken.nlrec";

/** The last inputs, always and in memory; everything, to a file, where that was asked for. */
function recordKeepers({ directory, config, version, logger }: NodeParts): RecordKeeper[] {
  const lastInputs = new LastInputs({
    path: join(directory, LAST_INPUTS_FILE),
    version,
    onBroken: (said) =>
      "path" in said
        ? logger.log("error", `a bug in nl; replay with: bun run replay ${said.path}`)
        : logger.log("error", said.reason),
  });
  if (config.record === null) return [lastInputs];
  const { path, maxBytes } = config.record;
  logger.log("info", "recording every input of the Raft core", { path, maxBytes });
  const onFailed = (reason: string) => logger.log("error", reason);
  return [lastInputs, new RecordingFile({ path, maxBytes, version, onFailed })];
}

type Joining = { readonly parts: NodeParts; readonly platform: Platform; readonly api: Api };

/** Without this port the node serves on: it is only that no other one can join through it. */
async function letNodesJoin({ parts, platform, api }: Joining): Promise<{ stop(): void }> {
  const { identity, tls, logger, directory } = parts;
  const listening = await listenForJoins(splitAddress(parts.httpAddress), {
    ...{ api, tls, logger, nodeId: identity.nodeId, clock: platform.clock },
    loadAuthority: () => loadAuthority(certificateDirectory(directory), platform.clock.now()),
  });
  if (listening.ok) return listening.value;
  logger.log("warn", listening.error.message);
  return { stop: () => {} };
}

type Platform = {
  readonly clock: ReturnType<typeof bunClock>;
  readonly timers: ReturnType<typeof bunTimers>;
  readonly random: ReturnType<typeof bunRandom>;
};
type Links = { readonly leader: GrpcLeaderLink; readonly output: GrpcOutputLink };

function linksOf(tls: TlsIdentity, clock: Platform["clock"]): Links {
  const channel = credentials.createSsl(
    Buffer.from(tls.caPem),
    Buffer.from(tls.keyPem),
    Buffer.from(tls.certificatePem),
  );
  return {
    leader: new GrpcLeaderLink({ credentials: channel, clock }),
    output: new GrpcOutputLink({ credentials: channel }),
  };
}

type Serving = {
  readonly parts: NodeParts;
  readonly platform: Platform;
  readonly replica: Replica;
  readonly links: Links;
  readonly server: GrpcServer;
};

/** The API on the node's one gRPC port, and the leader's duties behind it. */
function serve({ parts, platform, replica, links, server }: Serving) {
  const { identity, logger, config } = parts;
  const { suspectMillis, lostMillis } = config;
  const warnings: string[] = [];
  const onBug = (bug: unknown) =>
    logger.log("error", "a call failed by a bug in nl", { bug: String(bug) });
  const duties = createLeaderDuties({
    nodeId: identity.nodeId,
    replica,
    ...platform,
    logger,
    settings: { ...LEADER_DEFAULTS, suspectMillis, lostMillis },
    isDiskLow: () => parts.disk.shortage() !== null,
  });
  const api = createApi({
    nodeId: identity.nodeId,
    version: parts.version,
    replica,
    duties,
    leaderLink: links.leader,
    outputLink: links.output,
    outputReader: parts.worker ?? NO_OUTPUT,
    platform: { ...platform, logger },
    diskShortage: () => parts.disk.shortage(),
    caPem: parts.tls.caPem,
    warnings: () => [...diskWarnings(parts, replica), ...warnings],
    onBug,
  });
  registerApi(server.server, {
    api,
    clusterId: identity.clusterId,
    clock: platform.clock,
    onBug,
  });
  return { api, duties, warnings };
}

/** Said until the leader has made the log whole again (SEMANTICS, S15). */
function damageOf(replica: Replica): readonly string[] {
  const { raft, leader } = replica.status();
  if (!raft.damaged) return [];
  const what = "the log on this node's disk is damaged";
  if (leader !== NOBODY) return [`${what}: it does not vote until the leader has repaired it`];
  return [
    `${what}: it waits for a leader to repair it. If none can come (a single node, or a majority ` +
      "of them damaged): nl cluster recover --dir DIR",
  ];
}

/** A disk that hangs is no error yet: it may come back. */
const STALLED =
  "the disk has not finished a write for longer than an election takes: it does not lead now";

function diskWarnings({ disk }: NodeParts, replica: Replica): readonly string[] {
  const shortage = disk.shortage();
  const found = [...damageOf(replica)];
  if (replica.status().raft.diskStalled) found.push(STALLED);
  return shortage === null ? found : [...found, shortage];
}

/** A node that only serves has no output of its own. */
const NO_OUTPUT: OutputReader = {
  async *read() {
    yield { offset: 0, stream: "none", data: new Uint8Array(), skippedBytes: 0, complete: true };
  },
};

type Executing = {
  readonly parts: NodeParts;
  readonly platform: Platform;
  readonly replica: Replica;
  readonly link: ControlLink;
  readonly warnings: string[];
};

/** A node that only serves registers as well: by that, its address and its level are known. */
function startExecutor({ parts, platform, replica, link, warnings }: Executing): Executor {
  const { identity, config, logger, worker } = parts;
  const executor = createExecutor({
    nodeId: identity.nodeId,
    clusterId: identity.clusterId,
    registration: {
      peerId: identity.peerId,
      storeId: identity.storeId,
      roles: worker === null ? ["server"] : ["server", "worker"],
      rpcAddress: parts.rpcAddress,
      httpAddress: parts.httpAddress,
      cpuMillis: availableParallelism() * 1000,
      memoryBytes: totalmem(),
      slots: worker === null ? 0 : config.slots,
      labels: {},
      featureLevel: FEATURE_LEVEL,
      version: parts.version,
    },
    feed: {
      get view() {
        return replica.view;
      },
      subscribe: (listener) => replica.listen(listener),
    },
    specOf,
    taskHost:
      worker === null
        ? noTasks((callback) => platform.timers.soon(callback))
        : withWarnings(worker, config.drivers.choice, warnings),
    controlLink: link,
    ...platform,
    logger,
    stats: () => ({
      memoryUsedBytes: totalmem() - freemem(),
      cpuUsedMillis: Math.round((loadavg()[0] ?? 0) * 1000),
    }),
    settings: {
      ...EXECUTOR_DEFAULTS,
      heartbeatMillis: config.workerHeartbeatMillis,
      termAfterMillis: config.leaseMillis,
      killAfterMillis: config.leaseKillMillis,
    },
  });
  executor.start();
  return executor;
}

/** Says in the node's status which step of the driver ladder its jobs stand on (DESIGN, Drivers). */
function withWarnings(worker: TaskHost, choice: DriverChoice, warnings: string[]): TaskHost {
  const say = (warning: string): void => {
    warnings.splice(0, warnings.length, ...(warning === "" ? [] : [warning]));
  };
  say(TASK_HOST_AWAY);
  return {
    start: (onEvent) =>
      worker.start((event) => {
        if (event.kind === "connected") say(stepsDown(event.drivers, choice));
        if (event.kind === "disconnected") say(TASK_HOST_AWAY);
        onEvent(event);
      }),
    startTask: (request, done) => worker.startTask(request, done),
    stopTask: (stop, done) => worker.stopTask(stop, done),
    removeTask: (attemptId, done) => worker.removeTask(attemptId, done),
    renewLease: (lease) => worker.renewLease(lease),
    stop: () => worker.stop(),
  };
}

function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(":");
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

function listenRefusal(address: string, kind: "port-in-use" | "not-listening"): NlError {
  const why = kind === "port-in-use" ? "it is in use by another process" : "the system refused";
  return nlError(
    "refused",
    `cannot listen on ${address}: ${why}`,
    "end what holds it, then start again",
  );
}

/** The sentence says already what is safe. */
const storageRefusal = ({ kind, detail }: StorageError): NlError =>
  nlError(
    kind === "full" ? "low_disk" : "refused",
    detail,
    kind === "corrupt" ? "what can be saved: nl cluster repair --dir DIR" : "nothing was changed",
  );
