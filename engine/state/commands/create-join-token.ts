import type { UnixMillis } from "../../lib/ids.ts";
import type { Applying } from "../applying.ts";
import type { CommandBody, Outcome } from "../command.ts";

type CreateJoinToken = Extract<CommandBody, { kind: "create-join-token" }>;

/** Tokens that are remembered, usable or not. */
const TOKENS_MAX = 1_000;
/** So long a token that ran out can still say so. */
const EXPIRED_KEPT_MILLIS = 7 * 24 * 3_600_000;

/** Remembers a permission to join; only the hash of its secret is known here. */
export function applyCreateJoinToken(applying: Applying, command: CreateJoinToken): Outcome {
  const { state, at, principal } = applying;
  const { tokenId, secretHash, role, lifetimeMillis, uses } = command;
  if (state.joinTokens.has(tokenId)) return applying.done(true);
  forgetOldTokens(applying);
  if (state.joinTokens.size >= TOKENS_MAX) {
    return { kind: "refused", refusal: { kind: "too-many-tokens", limit: TOKENS_MAX } };
  }
  applying.putJoinToken({
    id: tokenId,
    secretHash,
    role,
    createdAt: at,
    expiresAt: (at + lifetimeMillis) as UnixMillis,
    usesLeft: uses,
    revoked: false,
    principal,
  });
  return applying.done();
}

function forgetOldTokens({ state, at }: Applying): void {
  for (const { id, expiresAt } of [...state.joinTokens.values()]) {
    if (expiresAt + EXPIRED_KEPT_MILLIS <= at) state.removeJoinToken(id);
  }
}
