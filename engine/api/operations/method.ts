import { type NlError, nlError } from "../../lib/error-code.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";

/** Largest request of an ordinary call (DESIGN §4, Limits). */
export const CALL_BYTES_MAX = 256 * 1024;
/** With the frame of a hop around it, still within the server's own limit of 4 MiB. */
export const BATCH_BYTES_MAX = 4 * 1024 * 1024 - 4 * 1024;

/** One call with one answer. */
export type Operation<Req, Res> = (
  context: ApiContext,
  caller: Caller,
  request: Req,
) => Promise<Result<Res, NlError>>;

/** The generated half of a method: its name and its codec, as the server needs them. */
type Rpc<Req, Res> = {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => Req;
  readonly responseSerialize: (response: Res) => Buffer;
};

/** A method as every translation of the API serves it: bytes in, bytes out. */
export type Method = {
  readonly path: string;
  /** Checked before anything is decoded. */
  readonly limitBytes: number;
  /** `leader`: answered by the leader, one hop away at most. `here`: by any node. */
  readonly place: "leader" | "here";
  readonly run: (
    context: ApiContext,
    caller: Caller,
    request: Buffer,
  ) => Promise<Result<Uint8Array, NlError>>;
};

type Traits = {
  readonly limitBytes?: number;
  readonly place: "leader" | "here";
};

/** Joins a generated method with the operation that answers it. */
export function method<Req, Res>(
  rpc: Rpc<Req, Res>,
  traits: Traits,
  operation: Operation<Req, Res>,
): Method {
  return {
    path: rpc.path,
    limitBytes: traits.limitBytes ?? CALL_BYTES_MAX,
    place: traits.place,
    run: async (context, caller, request) => {
      const decoded = decode(rpc, request);
      if (!decoded.ok) return decoded;
      const answer = await operation(context, caller, decoded.value);
      return answer.ok ? ok(rpc.responseSerialize(answer.value)) : answer;
    },
  };
}

function decode<Req, Res>(rpc: Rpc<Req, Res>, bytes: Buffer): Result<Req, NlError> {
  try {
    return ok(rpc.requestDeserialize(bytes));
  } catch (error) {
    // The bytes come from outside: that they do not decode is the caller's doing, not a bug.
    return err(
      nlError(
        "invalid_argument",
        `the request of ${rpc.path} cannot be decoded: ${String(error)}`,
        "use a client of this version",
      ),
    );
  }
}
