import { Metadata, type ServiceError } from "@grpc/grpc-js";
import { ClusterService, type SavedPiece } from "../../proto/gen/nl/v1/cluster.ts";
import type { NlError } from "../lib/error-code.ts";
import { nlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { callError, mayPass, unreachable } from "./call-error.ts";
import type { NodePool } from "./node-pool.ts";
import { pause } from "./pause.ts";

/** Nobody has begun to answer for so long: given up. */
const PATIENCE_MILLIS = 15_000;
const RETRY_MILLIS = 300;

/**
 * The pieces of a snapshot from whichever node answers first. Once it has begun it ends with that
 * node: another one's snapshot is another file.
 */
export async function* saveSnapshot(
  pool: NodePool,
  signal: AbortSignal,
): AsyncGenerator<Result<SavedPiece, NlError>> {
  const giveUpAt = performance.now() + PATIENCE_MILLIS;
  while (!signal.aborted && !pool.isClosed) {
    const address = pool.current;
    const { hasBegun, failure } = yield* wellRead(readOnce(pool, address, signal));
    if (failure === null || signal.aborted) return;
    if (hasBegun || !mayPass(failure) || performance.now() > giveUpAt) {
      return yield err(finalError(pool, address, { hasBegun, failure }));
    }
    pool.moveOn(address);
    await pause(RETRY_MILLIS, signal);
  }
}

/** Passes the pieces on; answers how it ended. */
async function* wellRead(
  reading: AsyncGenerator<SavedPiece, NlError | null>,
): AsyncGenerator<
  Result<SavedPiece, NlError>,
  { readonly hasBegun: boolean; readonly failure: NlError | null }
> {
  let step = await reading.next();
  const hasBegun = !step.done;
  for (; !step.done; step = await reading.next()) yield ok(step.value);
  return { hasBegun, failure: step.value };
}

async function* readOnce(
  pool: NodePool,
  address: string,
  signal: AbortSignal,
): AsyncGenerator<SavedPiece, NlError | null> {
  const channel = await pool.connected(address);
  if (channel === undefined) return unreachable([address], "");
  const { path, requestSerialize, responseDeserialize } = ClusterService.saveSnapshot;
  const stream = channel.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    {},
    new Metadata(),
  );
  const cancel = (): void => stream.cancel();
  signal.addEventListener("abort", cancel);
  try {
    yield* stream as AsyncIterable<SavedPiece>;
    return null;
  } catch (error) {
    return callError(error as ServiceError, address).error;
  } finally {
    signal.removeEventListener("abort", cancel);
    stream.cancel();
  }
}

function finalError(
  pool: NodePool,
  address: string,
  { hasBegun, failure }: { readonly hasBegun: boolean; readonly failure: NlError },
): NlError {
  if (!hasBegun) return pool.hasConnected ? failure : unreachable(pool.addresses, "");
  if (failure.code !== "indefinite") return failure;
  return nlError(
    "unreachable",
    `the connection to ${address} broke in the middle`,
    "save it again",
  );
}
