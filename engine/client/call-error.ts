import { Metadata, type ServiceError, status } from "@grpc/grpc-js";
import { Failure } from "../../proto/gen/nl/v1/jobs.ts";
import { type ErrorCode, fromFailure, type NlError, nlError } from "../lib/error-code.ts";

const FAILURE_TRAILER = "nl-failure-bin";

/**
 * Why a call failed. `told`: the cluster said so itself, in the trailer; otherwise the error is
 * read from the bare gRPC status: the connection, a proxy, or a node in trouble.
 */
export type CallError = { readonly error: NlError; readonly told: boolean };

export function callError(failure: ServiceError, address: string): CallError {
  const [trailer] =
    failure.metadata instanceof Metadata ? failure.metadata.get(FAILURE_TRAILER) : [];
  const told = Buffer.isBuffer(trailer) ? decode(trailer) : null;
  return told === null
    ? { error: bareError(failure, address), told: false }
    : { error: told, told: true };
}

/** The failure that a batch or a stream carries for one job. */
export const outcomeError = (failure: Failure): NlError => fromFailure(failure);

function bareError(failure: ServiceError, address: string): NlError {
  switch (failure.code) {
    case status.RESOURCE_EXHAUSTED:
      return nlError("too_large", `${address} does not take so large a message`, "send less");
    case status.INVALID_ARGUMENT:
      return nlError("invalid_argument", `${address} cannot read the request`, "nl version");
    case status.UNAUTHENTICATED:
    case status.PERMISSION_DENIED:
      return nlError("forbidden", `${address} refused: ${failure.details}`, "nl help identity");
    case status.UNIMPLEMENTED:
      return nlError("refused", `${address} does not know this call`, "nl version");
    default:
      return nlError(
        "indefinite",
        `the connection to ${address} broke before the answer: it may still happen`,
        "ask by id, or repeat it with the same id: that is safe",
      );
  }
}

/** Nobody could be asked: nothing happened. `why` is what the last connection said. */
export const unreachable = (addresses: readonly string[], why: string): NlError =>
  nlError(
    "unreachable",
    `no node answers at ${addresses.join(", ")}${why === "" ? "" : ` (${why})`}`,
    "start a cluster with nl up, or say where it is with --addr and --ca-cert",
  );

/** The same call may be made again, here or elsewhere, without the first having had any effect. */
const HAD_NO_EFFECT: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  "no_leader",
  "unreachable",
  "draining",
  "overloaded",
]);

export const hadNoEffect = (error: NlError): boolean => HAD_NO_EFFECT.has(error.code);

/** The last try had no effect, but an earlier one, left open as `doubt`, may have had (S11). */
export const withDoubt = (doubt: NlError | null, final: NlError): NlError =>
  doubt !== null && hadNoEffect(final) ? doubt : final;

/** Another try may end otherwise, where repeating is safe. */
export const mayPass = (error: NlError): boolean =>
  hadNoEffect(error) || error.code === "indefinite";

function decode(trailer: Buffer): NlError | null {
  try {
    return fromFailure(Failure.decode(trailer));
  } catch {
    // A trailer that is no Failure says nothing; the bare status decides.
    return null;
  }
}
