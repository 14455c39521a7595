/**
 * Every refusal nl can give, with its translations: gRPC status, HTTP status and exit code come
 * from this one table (SEMANTICS §3, DESIGN §5).
 */
export const ERROR_CODES = {
  invalid_argument: { grpc: 3, http: 400, exit: 2 },
  invalid_spec: { grpc: 3, http: 400, exit: 2 },
  too_large: { grpc: 3, http: 413, exit: 2 },
  ambiguous_id: { grpc: 3, http: 400, exit: 2 },
  not_found: { grpc: 5, http: 404, exit: 3 },
  expired: { grpc: 5, http: 410, exit: 3 },
  job_conflict: { grpc: 6, http: 409, exit: 4 },
  already_over: { grpc: 9, http: 409, exit: 4 },
  wrong_state: { grpc: 9, http: 409, exit: 4 },
  no_leader: { grpc: 14, http: 503, exit: 5 },
  unreachable: { grpc: 14, http: 503, exit: 5 },
  no_cluster: { grpc: 14, http: 503, exit: 5 },
  /** The outcome is unknown: it may still happen. Ask by id, or retry with the same id. */
  indefinite: { grpc: 4, http: 504, exit: 5 },
  unauthenticated: { grpc: 16, http: 401, exit: 6 },
  forbidden: { grpc: 7, http: 403, exit: 6 },
  overloaded: { grpc: 8, http: 429, exit: 7 },
  low_disk: { grpc: 8, http: 429, exit: 7 },
  draining: { grpc: 14, http: 503, exit: 7 },
  timed_out: { grpc: 4, http: 504, exit: 9 },
  transfer_failed: { grpc: 10, http: 409, exit: 1 },
  refused: { grpc: 9, http: 409, exit: 1 },
  internal: { grpc: 13, http: 500, exit: 70 },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An expected failure on its way to a user: what happened, and what to do next. */
export type NlError = {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  /** Milliseconds to wait before trying again; 0 = no advice. */
  readonly retryAfterMillis: number;
};

export const nlError = (
  code: ErrorCode,
  message: string,
  hint = "",
  retryAfterMillis = 0,
): NlError => ({ code, message, hint, retryAfterMillis });

/** A refusal as it came over the wire; a code that this version does not know is `internal`. */
export function fromFailure(failure: {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly retryAfterMillis: number;
}): NlError {
  const code = Object.hasOwn(ERROR_CODES, failure.code) ? (failure.code as ErrorCode) : "internal";
  return nlError(code, failure.message, failure.hint, failure.retryAfterMillis);
}
