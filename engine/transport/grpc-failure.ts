import { type ServiceError, status } from "@grpc/grpc-js";
import { Failure } from "../../proto/gen/nl/v1/jobs.ts";
import { fromFailure, type NlError, nlError } from "../lib/error-code.ts";

const FAILURE_TRAILER = "nl-failure-bin";

/** What a failed call from node to node means; `subject` names what was asked of whom. */
export function errorOfCall(error: ServiceError, subject: string): NlError {
  const [trailer] = error.metadata?.get(FAILURE_TRAILER) ?? [];
  if (Buffer.isBuffer(trailer)) return decode(trailer) ?? broken(subject);
  switch (error.code) {
    case status.RESOURCE_EXHAUSTED:
      return nlError("too_large", `${subject}: the message is too large`, "send less at once");
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return nlError("forbidden", `${subject}: refused`, "the nodes must share one CA");
    case status.UNIMPLEMENTED:
      return nlError("refused", `${subject}: not known there`, "upgrade that node");
    default:
      return broken(subject);
  }
}

/** It may have been done before the connection broke. */
const broken = (subject: string): NlError =>
  nlError(
    "indefinite",
    `${subject}: the connection broke before the answer, so it may still happen`,
    "ask by id, or repeat it with the same id: that is safe",
    100,
  );

function decode(trailer: Buffer): NlError | null {
  try {
    return fromFailure(Failure.decode(trailer));
  } catch {
    // A trailer that is no Failure says nothing; the status alone decides.
    return null;
  }
}
