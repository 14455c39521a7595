import { ClusterService, type SavedPiece } from "../../proto/gen/nl/v1/cluster.ts";
import { ForwardService } from "../../proto/gen/nl/v1/forward.ts";
import type { OutputChunk, ReadOutputRequest } from "../../proto/gen/nl/v1/jobs.ts";
import { JobsService } from "../../proto/gen/nl/v1/jobs.ts";
import { type WatchRequest, WatchService } from "../../proto/gen/nl/v1/watch.ts";
import { WorkerService } from "../../proto/gen/nl/v1/worker.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type Caller, refuseMethod } from "./caller.ts";
import type { ApiContext, ApiDeps } from "./context.ts";
import { DigestCache } from "./digest-cache.ts";
import { answerForwarded, refuseHop } from "./forwarded.ts";
import { Gate } from "./gate.ts";
import { JobChanges } from "./job-changes.ts";
import { Leadership } from "./leadership.ts";
import { callAtLeader } from "./operations/at-leader.ts";
import type { Method } from "./operations/method.ts";
import { METHODS, submitJobsMethod } from "./operations/methods.ts";
import { readLocalOutput } from "./operations/output-source.ts";
import { readOutput } from "./operations/read-output.ts";
import { saveSnapshot } from "./operations/save-snapshot.ts";
import { type SubmitChannel, SubmitPipe } from "./operations/submit-stream.ts";
import { watch } from "./operations/watch.ts";
import { draining, overloaded } from "./refusals.ts";
import type { WatchSink } from "./watch/subscriber.ts";
import { WatchHub, type WatchSession } from "./watch/watch-hub.ts";

/** Streams of a kind on one node (DESIGN §4, Limits); watchers are counted by the hub. */
const READERS_MAX = 1_000;
const SUBMIT_STREAMS_MAX = 1_000;
const SAVERS_MAX = 4;

type Reader = Caller & { readonly signal: AbortSignal };
type Chunks = AsyncIterable<Result<OutputChunk, NlError>>;

/**
 * The cluster's operations on this node. Every call is authorised here, whatever translated it;
 * who is calling has been established by the translation.
 */
export interface Api {
  start(): void;
  /** New calls are sent elsewhere, those that last are ended. */
  stop(): void;
  /** A call with one answer. Requests and answers are messages of `proto/nl/v1`. */
  call(path: string, caller: Caller, request: Buffer): Promise<Result<Uint8Array, NlError>>;
  /** Where the leader is, when that is another node; else empty. */
  leaderAddress(): string;
  /** A call that another server received and sent here, with the identity it verified. */
  forwarded(caller: Caller, request: Buffer): Promise<Result<Uint8Array, NlError>>;
  readOutput(caller: Reader, request: ReadOutputRequest): Chunks;
  readLocalOutput(caller: Reader, request: ReadOutputRequest): Chunks;
  saveSnapshot(caller: Reader): AsyncIterable<Result<SavedPiece, NlError>>;
  watch(
    caller: Caller,
    request: WatchRequest,
    sink: WatchSink,
  ): Promise<Result<WatchSession, NlError>>;
  submitStream(caller: Caller, channel: SubmitChannel): Result<SubmitPipe, NlError>;
}

/** To be created once the replica has started, and started before the first call arrives. */
export function createApi(deps: ApiDeps): Api {
  const stopping = new AbortController();
  const leadership = new Leadership(deps.replica, deps.platform.timers);
  const digests = new DigestCache(deps, leadership);
  const context: ApiContext = {
    ...deps,
    leadership,
    digests,
    jobChanges: new JobChanges(),
    startedAtMillis: deps.platform.clock.monotonicMillis(),
    stopping: stopping.signal,
  };
  const hub = new WatchHub(context);
  deps.replica.listen({
    onFacts: (facts, view) => {
      context.jobChanges.onFacts(facts);
      hub.onFacts(facts, view);
    },
    onRestored: (view) => {
      context.jobChanges.onRestored();
      hub.onRestored(view);
    },
  });
  return {
    start: () => {
      leadership.start();
      digests.start();
    },
    stop: () => {
      stopping.abort();
      digests.stop();
      hub.stop();
    },
    ...operations({ ...context, hub }),
  };
}

function operations(context: ApiContext & { readonly hub: WatchHub }): Omit<Api, "start" | "stop"> {
  const refuse = (caller: Caller, path: string): NlError | null =>
    context.stopping.aborted ? draining(context.nodeId) : refuseMethod(caller, path);
  const call: Api["call"] = (path, caller, request) => {
    const method = METHODS.get(path);
    const refusal = refuse(caller, path) ?? refuseCall(path, method, request.length);
    if (method === undefined || refusal !== null) {
      return Promise.resolve(err(refusal ?? unknownMethod(path)));
    }
    return method.place === "leader"
      ? callAtLeader(context, method, { caller, request })
      : method.run(context, caller, request);
  };
  const readers = new Gate(READERS_MAX);
  const streams = new Gate(SUBMIT_STREAMS_MAX);
  const savers = new Gate(SAVERS_MAX);
  return {
    call,
    leaderAddress: () => {
      const route = context.leadership.route();
      return route.kind === "other" ? route.address : "";
    },
    forwarded: (caller, request) => {
      const refusal = refuse(caller, ForwardService.call.path) ?? refuseHop(context, caller);
      if (refusal !== null) return Promise.resolve(err(refusal));
      return answerForwarded(call, caller, request);
    },
    readOutput: (caller, request) => {
      const refusal = refuse(caller, JobsService.readOutput.path);
      if (refusal !== null) return only(err(refusal));
      return gated(readers, () => readOutput(context, caller, request));
    },
    readLocalOutput: (caller, request) => {
      const refusal = refuse(caller, WorkerService.readLocalOutput.path);
      if (refusal !== null) return only(err(refusal));
      return gated(readers, () => readLocalOutput(context, caller, request));
    },
    saveSnapshot: (caller) => {
      const refusal = refuse(caller, ClusterService.saveSnapshot.path);
      if (refusal !== null) return only(err(refusal));
      return gated(savers, () => saveSnapshot(context, caller));
    },
    watch: (caller, request, sink) => {
      const refusal = refuse(caller, WatchService.watch.path);
      if (refusal !== null) return Promise.resolve(err(refusal));
      return watch(context, caller, { request, sink });
    },
    submitStream: (caller, channel) => {
      const refusal = refuse(caller, JobsService.submitStream.path);
      if (refusal !== null) return err(refusal);
      const onOver = streams.enter();
      if (onOver === null) return err(overloaded());
      const pipe = { context, caller, submitJobs: submitJobsMethod, channel, onOver };
      return ok(new SubmitPipe(pipe));
    },
  };
}

async function* only<T>(item: T): AsyncGenerator<T> {
  yield item;
}

/** Counts from the first item that is asked for to the last, or to the reader's end. */
async function* gated<T>(
  gate: Gate,
  open: () => AsyncIterable<Result<T, NlError>>,
): AsyncGenerator<Result<T, NlError>> {
  const leave = gate.enter();
  if (leave === null) return yield err(overloaded());
  try {
    yield* open();
  } finally {
    leave();
  }
}

function refuseCall(path: string, method: Method | undefined, bytes: number): NlError | null {
  if (method === undefined) return unknownMethod(path);
  if (bytes <= method.limitBytes) return null;
  return nlError(
    "too_large",
    `the request has ${bytes} bytes; the limit of this call is ${method.limitBytes}`,
    "send less at once",
  );
}

const unknownMethod = (path: string): NlError =>
  nlError("invalid_argument", `there is no method ${path.slice(0, 100)}`, "see proto/nl/v1");
