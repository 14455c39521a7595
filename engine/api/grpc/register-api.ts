import {
  type handleUnaryCall,
  Metadata,
  type MethodDefinition,
  type Server,
  type ServerUnaryCall,
  type UntypedHandleCall,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";
import { ClusterService } from "../../../proto/gen/nl/v1/cluster.ts";
import { ForwardService } from "../../../proto/gen/nl/v1/forward.ts";
import { JobsService } from "../../../proto/gen/nl/v1/jobs.ts";
import { NodesService } from "../../../proto/gen/nl/v1/nodes.ts";
import { WatchService } from "../../../proto/gen/nl/v1/watch.ts";
import { WorkerService } from "../../../proto/gen/nl/v1/worker.ts";
import type { NlError } from "../../lib/error-code.ts";
import type { Result } from "../../lib/result.ts";
import type { Clock } from "../../platform/clock.ts";
import type { Api } from "../api.ts";
import type { Caller } from "../caller.ts";
import { METHODS } from "../operations/methods.ts";
import { callerOf } from "./grpc-caller.ts";
import { internalError, statusOf } from "./status.ts";
import { handleOutput, handleSaveSnapshot, handleSubmitStream, handleWatch } from "./streams.ts";

export type GrpcApiOptions = {
  readonly api: Api;
  readonly clusterId: string;
  readonly clock: Clock;
  readonly onBug: (bug: unknown) => void;
};

type Rpc = Pick<MethodDefinition<never, never>, "path" | "requestStream" | "responseStream">;
type Service = Readonly<Record<string, Rpc>>;

/**
 * Serves the API on a gRPC server. Everything travels as bytes and is measured, decoded and
 * refused by the operations themselves, so that a bad request is an answer with a reason.
 */
export function registerApi(server: Server, options: GrpcApiOptions): void {
  const streams: Readonly<Record<string, UntypedHandleCall>> = {
    [JobsService.submitStream.path]: handleSubmitStream(options),
    [JobsService.readOutput.path]: handleOutput(options, "readOutput"),
    [WorkerService.readLocalOutput.path]: handleOutput(options, "readLocalOutput"),
    [WatchService.watch.path]: handleWatch(options),
    [ClusterService.saveSnapshot.path]: handleSaveSnapshot(options),
    [ForwardService.call.path]: handleUnary(options, (call, caller) =>
      options.api.forwarded(caller, call.request),
    ),
  };
  const services: readonly Service[] = [
    JobsService,
    NodesService,
    ClusterService,
    WorkerService,
    WatchService,
    ForwardService,
  ];
  for (const service of services) {
    const implementation: UntypedServiceImplementation = {};
    for (const [name, rpc] of Object.entries(service)) {
      implementation[name] = streams[rpc.path] ?? handleMethod(options, rpc.path);
    }
    server.addService(inBytes(service), implementation);
  }
}

/** Tells a client whose call took a hop where the leader is. */
const LEADER_TRAILER = "nl-leader";

function handleMethod(options: GrpcApiOptions, path: string): handleUnaryCall<Buffer, Uint8Array> {
  const { api } = options;
  if (path === JobsService.waitJob.path) {
    return handleUnary(options, (call, caller) => {
      const gone = new AbortController();
      call.on("cancelled", () => gone.abort());
      return api.call(path, { ...caller, signal: gone.signal }, call.request);
    });
  }
  const hint = METHODS.get(path)?.place === "leader" ? () => leaderHint(api) : undefined;
  return handleUnary(options, (call, caller) => api.call(path, caller, call.request), hint);
}

type Answering = (
  call: ServerUnaryCall<Buffer, Uint8Array>,
  caller: Caller,
) => Promise<Result<Uint8Array, NlError>>;

/** A rejected promise would leave the call hanging for ever: every way out of here answers. */
const handleUnary =
  (
    options: GrpcApiOptions,
    answer: Answering,
    trailer?: () => Metadata | undefined,
  ): handleUnaryCall<Buffer, Uint8Array> =>
  (call, callback) => {
    const caller = callerOf(call, options);
    if (!caller.ok) {
      callback(statusOf(caller.error));
      return;
    }
    answer(call, caller.value).then(
      (done) => {
        if (done.ok) callback(null, done.value, trailer?.());
        else callback(statusOf(done.error));
      },
      (bug: unknown) => {
        callback(statusOf(internalError()));
        options.onBug(bug);
      },
    );
  };

function leaderHint(api: Api): Metadata | undefined {
  const address = api.leaderAddress();
  if (address === "") return undefined;
  const metadata = new Metadata();
  metadata.set(LEADER_TRAILER, address);
  return metadata;
}

const asIs = (bytes: Buffer): Buffer => bytes;

const asBuffer = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);

/** The same methods, with bytes for messages. */
function inBytes(service: Service): Record<string, MethodDefinition<Buffer, Uint8Array>> {
  const methods: Record<string, MethodDefinition<Buffer, Uint8Array>> = {};
  for (const [name, { path, requestStream, responseStream }] of Object.entries(service)) {
    methods[name] = {
      path,
      requestStream,
      responseStream,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asBuffer,
      responseDeserialize: asIs,
    };
  }
  return methods;
}
