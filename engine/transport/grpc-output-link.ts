import { type ChannelCredentials, Metadata, type ServiceError } from "@grpc/grpc-js";
import { WorkerService } from "../../proto/gen/nl/v1/worker.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import { type NodeId, parseAttemptId } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { OutputLink } from "../platform/output-link.ts";
import type { OutputChunk } from "../platform/output-reader.ts";
import { errorOfCall } from "./grpc-failure.ts";
import { NodeChannels } from "./node-channels.ts";

const STREAMS = ["none", "stdout", "stderr"] as const;

/** Reads output from the node that holds it, at the reader's pace. */
export class GrpcOutputLink implements OutputLink {
  readonly #channels: NodeChannels;

  constructor(options: { readonly credentials: ChannelCredentials }) {
    this.#channels = new NodeChannels(options.credentials);
  }

  async *read(
    request: Parameters<OutputLink["read"]>[0],
  ): AsyncGenerator<Result<OutputChunk, NlError>> {
    const { nodeId, address } = request.source;
    const client = this.#channels.to({ nodeId: nodeId as NodeId, address });
    const { path, requestSerialize, responseDeserialize } = WorkerService.readLocalOutput;
    const { jobId, number } = parseAttemptId(request.attemptId);
    const { offset, tailBytes, follow } = request;
    const call = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      { jobId, attempt: number, follow, offset, tailBytes, untilJobOver: false },
      new Metadata(),
    );
    const cancel = (): void => call.cancel();
    request.signal.addEventListener("abort", cancel);
    if (request.signal.aborted) cancel();
    try {
      for await (const { offset: at, stream, data, skippedBytes, complete } of call) {
        const name = STREAMS[stream] ?? "none";
        yield ok({ offset: at, stream: name, data, skippedBytes, complete });
      }
    } catch (error) {
      if (!request.signal.aborted) yield err(lost(error as ServiceError, nodeId));
    } finally {
      request.signal.removeEventListener("abort", cancel);
      call.cancel();
    }
  }

  close(): void {
    this.#channels.close();
  }
}

function lost(error: ServiceError, nodeId: string): NlError {
  const known = errorOfCall(error, `output on node ${nodeId}`);
  if (known.code !== "indefinite") return known;
  return nlError(
    "unreachable",
    `node ${nodeId}, which holds this output, cannot be reached`,
    "the output is on that node's disk: try again when it is back",
    1_000,
  );
}
