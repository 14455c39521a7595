import { type ClientReadableStream, Metadata, type ServiceError } from "@grpc/grpc-js";
import {
  JobsService,
  type OutputChunk,
  type ReadOutputRequest,
} from "../../proto/gen/nl/v1/jobs.ts";
import type { NlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { type CallError, callError, mayPass, unreachable } from "./call-error.ts";
import type { NodePool } from "./node-pool.ts";
import { pause } from "./pause.ts";

/** Without a byte or a chunk for so long, through all nodes: given up. */
const PATIENCE_MILLIS = 30_000;
/** The node that holds the output is away: it may be restarting. */
const SOURCE_PATIENCE_MILLIS = 10_000;
const RETRY_MILLIS = 300;

/**
 * The bytes of an attempt in order, without gaps or repeats, through whichever node answers. When
 * a connection breaks the reading goes on at the same offset through another one.
 */
export async function* readOutput(
  pool: NodePool,
  request: ReadOutputRequest,
  signal: AbortSignal,
): AsyncGenerator<Result<OutputChunk, NlError>> {
  const cursor = { ...request };
  let progressAt = performance.now();
  while (!signal.aborted && !pool.isClosed) {
    const address = pool.current;
    const reading = readOnce(pool, address, cursor, signal);
    let step = await reading.next();
    for (; !step.done; step = await reading.next()) {
      progressAt = performance.now();
      yield ok(step.value);
    }
    const failure = step.value;
    if (failure === null || signal.aborted) return;
    const final = finalError(
      pool,
      failure,
      mayGoOn(failure, request, performance.now() - progressAt),
    );
    if (final !== null) return yield err(final);
    if (!failure.told) pool.moveOn(address);
    await pause(RETRY_MILLIS, signal);
  }
}

/** Null when there is a point in trying again. */
function finalError(pool: NodePool, failure: CallError, goesOn: boolean): NlError | null {
  if (!goesOn) return failure.error;
  return pool.hasConnected ? null : unreachable(pool.addresses, "");
}

function mayGoOn(failure: CallError, request: ReadOutputRequest, waitedMillis: number): boolean {
  const { error, told } = failure;
  if (!told || error.code !== "unreachable") {
    return mayPass(error) && waitedMillis < PATIENCE_MILLIS;
  }
  return request.follow && waitedMillis < SOURCE_PATIENCE_MILLIS;
}

/** One stream. Moves the cursor; returns null after the last chunk, else why the stream ended. */
async function* readOnce(
  pool: NodePool,
  address: string,
  cursor: ReadOutputRequest,
  signal: AbortSignal,
): AsyncGenerator<OutputChunk, CallError | null> {
  const channel = await pool.connected(address);
  if (channel === undefined) return { error: unreachable([address], ""), told: false };
  const { path, requestSerialize, responseDeserialize } = JobsService.readOutput;
  const stream = channel.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    cursor,
    new Metadata(),
  );
  const cancel = (): void => stream.cancel();
  signal.addEventListener("abort", cancel);
  try {
    yield* fresh(stream, cursor);
    return null;
  } catch (error) {
    return callError(error as ServiceError, address);
  } finally {
    signal.removeEventListener("abort", cancel);
    stream.cancel();
  }
}

/** Chunks from the cursor on; what an earlier stream delivered already is cut off. */
async function* fresh(
  stream: ClientReadableStream<OutputChunk>,
  cursor: ReadOutputRequest,
): AsyncGenerator<OutputChunk> {
  for await (const chunk of stream as AsyncIterable<OutputChunk>) {
    const isSame = cursor.attempt === chunk.attempt;
    const known = isSame ? Math.max(0, cursor.offset - chunk.offset) : 0;
    const data = chunk.data.subarray(Math.min(known, chunk.data.length));
    const offset = chunk.offset + chunk.data.length - data.length;
    if (chunk.attempt !== 0) cursor.attempt = chunk.attempt;
    cursor.offset = Math.max(isSame ? cursor.offset : 0, offset + data.length);
    cursor.tailBytes = 0;
    if (data.length > 0 || chunk.complete || chunk.skippedBytes > 0)
      yield { ...chunk, data, offset };
    if (chunk.complete) return;
  }
}
