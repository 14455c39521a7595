import type { Applying } from "../applying.ts";
import type { CommandBody, Outcome } from "../command.ts";

type RevokeJoinToken = Extract<CommandBody, { kind: "revoke-join-token" }>;

/** Nobody joins with it any more; who has joined stays. */
export function applyRevokeJoinToken(applying: Applying, command: RevokeJoinToken): Outcome {
  const token = applying.state.joinTokens.get(command.tokenId);
  if (token === undefined) {
    return { kind: "refused", refusal: { kind: "bad-token", why: "unknown" } };
  }
  if (token.revoked) return applying.done(true);
  applying.putJoinToken({ ...token, revoked: true });
  return applying.done();
}
