import type { ServerDuplexStream, ServerWritableStream } from "@grpc/grpc-js";
import { ClusterService, SaveSnapshotRequest } from "../../../proto/gen/nl/v1/cluster.ts";
import { JobsService, ReadOutputRequest } from "../../../proto/gen/nl/v1/jobs.ts";
import { WatchRequest } from "../../../proto/gen/nl/v1/watch.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Caller } from "../caller.ts";
import { readStreamRequest } from "../messages/submission.ts";
import { CALL_BYTES_MAX } from "../operations/method.ts";
import type { SubmitPipe } from "../operations/submit-stream.ts";
import type { WatchSession } from "../watch/watch-hub.ts";
import { callerOf } from "./grpc-caller.ts";
import type { GrpcApiOptions } from "./register-api.ts";
import { internalError, statusOf } from "./status.ts";

/** A request that opens a stream is a few ids and numbers. */
const OPENING_BYTES_MAX = 4 * 1024;

type Outgoing = ServerWritableStream<Buffer, Uint8Array>;
type Both = ServerDuplexStream<Buffer, Uint8Array>;

/** Serves a job's output at the pace of its reader. */
export const handleOutput =
  (options: GrpcApiOptions, operation: "readOutput" | "readLocalOutput") =>
  (call: Outgoing): void =>
    serve(options, call, {
      codec: ReadOutputRequest,
      open: (caller, request) => options.api[operation](caller, request),
      serialize: JobsService.readOutput.responseSerialize,
    });

export const handleSaveSnapshot =
  (options: GrpcApiOptions) =>
  (call: Outgoing): void =>
    serve(options, call, {
      codec: SaveSnapshotRequest,
      open: (caller) => options.api.saveSnapshot(caller),
      serialize: ClusterService.saveSnapshot.responseSerialize,
    });

type Served<Req, Res> = {
  readonly codec: Codec<Req>;
  readonly open: (
    caller: Caller & { readonly signal: AbortSignal },
    request: Req,
  ) => AsyncIterable<Result<Res, NlError>>;
  readonly serialize: (item: Res) => Uint8Array;
};

/** One item after the other, as fast as they are read. */
function serve<Req, Res>(options: GrpcApiOptions, call: Outgoing, served: Served<Req, Res>): void {
  const opened = open(options, call, served.codec);
  if (!opened.ok) {
    fail(call, opened.error);
    return;
  }
  const { caller, request } = opened.value;
  send(call, served.open(caller, request), served.serialize).catch((bug: unknown) => {
    fail(call, internalError());
    options.onBug(bug);
  });
}

async function send<Res>(
  call: Outgoing,
  items: AsyncIterable<Result<Res, NlError>>,
  serialize: (item: Res) => Uint8Array,
): Promise<void> {
  for await (const item of items) {
    if (call.cancelled) return;
    if (!item.ok) return fail(call, item.error);
    const hasRoom = call.write(serialize(item.value));
    if (!hasRoom) await roomOrGone(call);
  }
  call.end();
}

const roomOrGone = (call: Outgoing): Promise<void> =>
  new Promise((resolve) => {
    if (call.cancelled) return resolve();
    const finish = (): void => {
      call.off("drain", finish);
      call.off("cancelled", finish);
      resolve();
    };
    call.on("drain", finish);
    call.on("cancelled", finish);
  });

export const handleWatch =
  (options: GrpcApiOptions) =>
  (call: Outgoing): void => {
    const opened = open(options, call, WatchRequest);
    if (!opened.ok) {
      fail(call, opened.error);
      return;
    }
    const { caller, request } = opened.value;
    let session: WatchSession | null = null;
    call.on("drain", () => session?.drained());
    call.on("cancelled", () => session?.close());
    const sink = {
      send: (frame: { readonly bytes: Buffer }) => call.write(frame.bytes),
      end: (error: NlError) => fail(call, error),
    };
    options.api.watch(caller, request, sink).then(
      (begun) => {
        if (!begun.ok) return fail(call, begun.error);
        session = begun.value;
        if (call.cancelled) session.close();
        // The reader may have caught up while the session was not known here yet.
        else if (!call.writableNeedDrain) session.drained();
      },
      (bug: unknown) => {
        fail(call, internalError());
        options.onBug(bug);
      },
    );
  };

export const handleSubmitStream =
  (options: GrpcApiOptions) =>
  (call: Both): void => {
    call.on("error", ignoreReset);
    const caller = callerOf(call, options);
    const begun = caller.ok
      ? options.api.submitStream(caller.value, {
          pause: () => call.pause(),
          resume: () => call.resume(),
          send: (response) => call.write(JobsService.submitStream.responseSerialize(response)),
          end: () => call.end(),
        })
      : caller;
    if (begun.ok) connect(options, call, begun.value);
    else fail(call, begun.error);
  };

function connect(options: GrpcApiOptions, call: Both, pipe: SubmitPipe): void {
  call.on("data", (bytes: Buffer) => {
    const request = decode({ decode: readStreamRequest }, bytes, CALL_BYTES_MAX);
    if (request.ok) {
      guard(options, call, () => pipe.receive(request.value));
    } else {
      pipe.stop();
      fail(call, request.error);
    }
  });
  call.on("end", () => pipe.end());
  call.on("drain", () => pipe.drained());
  call.on("cancelled", () => pipe.stop());
}

function guard(options: GrpcApiOptions, call: Both, work: () => void): void {
  try {
    work();
  } catch (bug) {
    fail(call, internalError());
    options.onBug(bug);
  }
}

/** Who opens a stream, with what. */
function open<T>(
  options: GrpcApiOptions,
  call: Outgoing,
  codec: Codec<T>,
): Result<
  { readonly caller: Caller & { readonly signal: AbortSignal }; readonly request: T },
  NlError
> {
  call.on("error", ignoreReset);
  const caller = callerOf(call, options);
  if (!caller.ok) return caller;
  const request = decode(codec, call.request, OPENING_BYTES_MAX);
  if (!request.ok) return request;
  const gone = new AbortController();
  call.on("cancelled", () => gone.abort());
  return ok({ caller: { ...caller.value, signal: gone.signal }, request: request.value });
}

type Codec<T> = { readonly decode: (bytes: Buffer) => T };

function decode<T>(codec: Codec<T>, bytes: Buffer, limitBytes: number): Result<T, NlError> {
  if (bytes.length > limitBytes) {
    return err(nlError("too_large", `a request of at most ${limitBytes} bytes is taken here`));
  }
  try {
    return ok(codec.decode(bytes));
  } catch (error) {
    return err(nlError("invalid_argument", `the request cannot be decoded: ${String(error)}`));
  }
}

/** grpc-js ends a stream with the status of an emitted error. */
function fail(call: Outgoing | Both, error: NlError): void {
  if (!call.cancelled) call.emit("error", statusOf(error));
}

/** A stream that its reader reset says so by `cancelled`; the error event adds nothing. */
function ignoreReset(): void {}
