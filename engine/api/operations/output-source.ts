import type {
  OutputChunk as ChunkMessage,
  ReadOutputRequest,
} from "../../../proto/gen/nl/v1/jobs.ts";
import { InvariantError } from "../../lib/assert.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import { attemptId, isJobId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { OutputChunk } from "../../platform/output-reader.ts";
import type { Attempt } from "../../state/cluster-state.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { notAnId } from "./resolve-job.ts";

/** Larger pieces are cut, so that one reader cannot hold the connection for long. */
const CHUNK_BYTES_MAX = 64 * 1024;
const STREAMS = { none: 0, stdout: 1, stderr: 2 } as const;

type AttemptRead = {
  readonly attempt: Attempt;
  readonly offset: number;
  readonly tailBytes: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
};

/** The output of one attempt, from this machine or from the node that ran it. */
export async function* attemptOutput(
  context: ApiContext,
  read: AttemptRead,
): AsyncGenerator<Result<ChunkMessage, NlError>> {
  const { attempt, ...rest } = read;
  const wanted = { ...rest, attemptId: attempt.id };
  if (attempt.nodeId === context.nodeId) {
    yield* localOutput(context, { ...wanted, number: attempt.number });
    return;
  }
  const node = context.replica.view.nodes.get(attempt.nodeId);
  if (node === undefined) return yield err(noSource(attempt));
  const source = { nodeId: node.id, address: node.rpcAddress };
  for await (const chunk of context.outputLink.read({ ...wanted, source })) {
    if (!chunk.ok) return yield chunk;
    yield* messages(context, chunk.value, attempt.number);
  }
}

/** `Worker.ReadLocalOutput`: what this machine holds, for another node. */
export async function* readLocalOutput(
  context: ApiContext,
  caller: Caller & { readonly signal: AbortSignal },
  request: ReadOutputRequest,
): AsyncGenerator<Result<ChunkMessage, NlError>> {
  if (!isJobId(request.jobId)) return yield err(notAnId());
  const { attempt: number, offset, tailBytes, follow } = request;
  const signal = AbortSignal.any([caller.signal, context.stopping]);
  const id = attemptId(request.jobId, number);
  yield* localOutput(context, { attemptId: id, number, offset, tailBytes, follow, signal });
}

async function* localOutput(
  context: ApiContext,
  read: Parameters<ApiContext["outputReader"]["read"]>[0] & { readonly number: number },
): AsyncGenerator<Result<ChunkMessage, NlError>> {
  try {
    for await (const chunk of context.outputReader.read(read)) {
      yield* messages(context, chunk, read.number);
    }
  } catch (error) {
    if (error instanceof InvariantError || read.signal.aborted) throw error;
    yield err(
      nlError(
        "not_found",
        `the output of attempt ${read.attemptId} cannot be read on node ${context.nodeId}`,
        String(error),
      ),
    );
  }
}

function* messages(
  context: ApiContext,
  chunk: OutputChunk,
  attempt: number,
): Generator<Result<ChunkMessage, NlError>> {
  const at = context.platform.clock.now();
  const data = Buffer.from(chunk.data.buffer, chunk.data.byteOffset, chunk.data.length);
  let from = 0;
  do {
    const to = Math.min(from + CHUNK_BYTES_MAX, data.length);
    yield ok({
      offset: chunk.offset + from,
      stream: STREAMS[chunk.stream],
      data: data.subarray(from, to),
      skippedBytes: from === 0 ? chunk.skippedBytes : 0,
      at,
      complete: chunk.complete && to === data.length,
      attempt,
    });
    from = to;
  } while (from < data.length);
}

const noSource = (attempt: Attempt): NlError =>
  nlError(
    "unreachable",
    `node ${attempt.nodeId}, which ran attempt ${attempt.id}, is not in the cluster any more`,
    "its output was only there",
  );
