import { Metadata, type StatusObject } from "@grpc/grpc-js";
import { Failure } from "../../../proto/gen/nl/v1/jobs.ts";
import { ERROR_CODES, type NlError, nlError } from "../../lib/error-code.ts";

/** The trailer that carries a refusal in full; the gRPC status alone is only its kind. */
const FAILURE_TRAILER = "nl-failure-bin";

export function statusOf(error: NlError): StatusObject {
  const metadata = new Metadata();
  metadata.set(FAILURE_TRAILER, Buffer.from(Failure.encode(error).finish()));
  return { code: ERROR_CODES[error.code].grpc, details: error.message, metadata };
}

/** What a caller is told of a bug: nothing that is only for those who can repair it. */
export const internalError = (): NlError =>
  nlError(
    "internal",
    "nl made a mistake while answering",
    "please report it: the node's log says more",
  );
