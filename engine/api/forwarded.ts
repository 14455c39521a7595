import { ForwardRequest, ForwardResponse } from "../../proto/gen/nl/v1/forward.ts";
import { type NlError, nlError } from "../lib/error-code.ts";
import { err, ok, type Result } from "../lib/result.ts";
import { parsePrincipal } from "../security/identity.ts";
import { authorOf, type Caller } from "./caller.ts";
import type { ApiContext } from "./context.ts";

/** Only a server relays: a worker's certificate must not lend itself to every user. */
export function refuseHop(context: ApiContext, caller: Caller): NlError | null {
  const { principal } = caller;
  const { nodes } = context.replica.view;
  const node = principal.kind === "node" ? nodes.get(principal.nodeId) : undefined;
  if (node?.roles.includes("server")) return null;
  return nlError("forbidden", `${authorOf(principal)} is not a server of this cluster`);
}

/** Answers a call of the principal inside, authorised like any other; it goes no further. */
export async function answerForwarded(
  call: (path: string, caller: Caller, bytes: Buffer) => Promise<Result<Uint8Array, NlError>>,
  hop: Caller,
  bytes: Buffer,
): Promise<Result<Uint8Array, NlError>> {
  const request = decode(bytes);
  const principal = request && parsePrincipal(request.principal);
  if (request === null || principal === null) {
    return err(nlError("invalid_argument", "a forwarded call names who asks, and for what"));
  }
  const caller = { ...hop, principal, forwarded: true };
  const answer = await call(request.method, caller, request.request);
  if (!answer.ok) return answer;
  const response = Buffer.from(answer.value.buffer, answer.value.byteOffset, answer.value.length);
  return ok(ForwardResponse.encode({ response }).finish());
}

function decode(bytes: Buffer): ForwardRequest | null {
  try {
    return ForwardRequest.decode(bytes);
  } catch {
    // The caller is told that its request makes no sense; why does not matter to a node.
    return null;
  }
}
