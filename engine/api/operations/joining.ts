import type {
  CreateJoinTokenRequest,
  CreateJoinTokenResponse,
  JoinRequest,
  JoinResponse,
  RevokeJoinTokenRequest,
  RevokeJoinTokenResponse,
} from "../../../proto/gen/nl/v1/cluster.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { NodeId } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import { isName } from "../../security/identity.ts";
import {
  formatJoinToken,
  hashJoinSecret,
  isSameHash,
  mintJoinToken,
} from "../../security/join-token.ts";
import type { NodeRecord } from "../../state/cluster-state.ts";
import type { JoiningNode } from "../../state/command.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { refusalError } from "../refusals.ts";
import { proposeOne } from "./propose.ts";

const LIFETIME_MILLIS = 3_600_000;
const LIFETIME_MILLIS_MAX = 30 * 24 * 3_600_000;
const USES_MAX = 1_000;

/** Runs at the leader. The secret leaves it in this answer only; the log gets its hash. */
export async function createJoinToken(
  context: ApiContext,
  caller: Caller,
  request: CreateJoinTokenRequest,
): Promise<Result<CreateJoinTokenResponse, NlError>> {
  const role = request.role || "server";
  const lifetimeMillis = request.lifetimeMillis || LIFETIME_MILLIS;
  const uses = request.uses || 1;
  if (role !== "server" && role !== "worker") {
    return err(nlError("invalid_argument", "role: server or worker"));
  }
  if (lifetimeMillis > LIFETIME_MILLIS_MAX || uses > USES_MAX) {
    return err(
      nlError("invalid_argument", `a token lives 30 days and opens ${USES_MAX} times at most`),
    );
  }
  const token = mintJoinToken(context.platform.random, context.caPem);
  const created = await proposeOne(context, caller, {
    body: {
      kind: "create-join-token",
      tokenId: token.id,
      secretHash: hashJoinSecret(token.secret),
      role,
      lifetimeMillis,
      uses,
    },
    subject: `join token ${token.id}`,
  });
  if (!created.ok) return created;
  const { view } = context.replica;
  return ok({
    token: formatJoinToken(token),
    tokenId: token.id,
    expiresAt: view.joinTokens.get(token.id)?.expiresAt ?? 0,
    addresses: [...view.nodes.values()].flatMap(({ roles, httpAddress }) =>
      roles.includes("server") && httpAddress !== "" ? [httpAddress] : [],
    ),
  });
}

export async function revokeJoinToken(
  context: ApiContext,
  caller: Caller,
  request: RevokeJoinTokenRequest,
): Promise<Result<RevokeJoinTokenResponse, NlError>> {
  const revoked = await proposeOne(context, caller, {
    body: { kind: "revoke-join-token", tokenId: request.tokenId },
    subject: `revoking join token ${request.tokenId.slice(0, 64)}`,
  });
  return revoked.ok ? ok({ index: revoked.value.index }) : revoked;
}

/** Runs at the leader, for the server that a node has asked. */
export async function join(
  context: ApiContext,
  caller: Caller,
  request: JoinRequest,
): Promise<Result<JoinResponse, NlError>> {
  const node = readNode(request);
  if (!node.ok) return node;
  const { tokenId, secretHash } = request;
  const token = context.replica.view.joinTokens.get(tokenId);
  // Guesses cost no log entry, and tell nothing of the secret by their time.
  if (token === undefined || !isSameHash(token.secretHash, secretHash)) {
    return err(refusalError({ kind: "bad-token", why: "unknown" }));
  }
  const redeemed = await proposeOne(context, caller, {
    body: { kind: "redeem-join-token", tokenId, secretHash, node: node.value },
    subject: "joining",
  });
  if (!redeemed.ok) return redeemed;
  const joined = findStore(context, node.value.storeId);
  if (joined === undefined) {
    return err(nlError("refused", "this node has been removed meanwhile", "join again"));
  }
  const { clusterId, clusterName } = context.replica.view;
  const { id: nodeId, peerId } = joined;
  return ok({ nodeId, peerId, role: token.role, clusterId, clusterName });
}

function findStore(context: ApiContext, storeId: string): NodeRecord | undefined {
  for (const node of context.replica.view.nodes.values()) {
    if (node.storeId === storeId) return node;
  }
  return undefined;
}

const STORE_ID = /^[0-9a-z]{16,64}$/;
const ADDRESS = /^(\[[0-9a-fA-F:]{2,45}\]|[A-Za-z0-9.-]{1,253}):\d{1,5}$/;
const VERSION = /^[\w.+-]{0,64}$/;

/** What a node says of itself stands in every log and on every screen: only plain words do. */
function readNode(request: JoinRequest): Result<JoiningNode, NlError> {
  const { name, storeId, rpcAddress, httpAddress, featureLevel, version } = request;
  if (name !== "" && !isName(name)) return bad("its name: a-z, 0-9, dot and dash, at most 63");
  if (!STORE_ID.test(storeId)) return bad("its store id");
  if (!ADDRESS.test(rpcAddress) || !ADDRESS.test(httpAddress)) return bad("its address: HOST:PORT");
  if (!VERSION.test(version)) return bad("its version");
  return ok({
    name: name as NodeId | "",
    storeId,
    rpcAddress,
    httpAddress,
    seat: request.learner ? "learner" : "voter",
    featureLevel,
    version,
  });
}

const bad = (what: string): Result<never, NlError> =>
  err(nlError("invalid_argument", `the node that joins does not say properly ${what}`));
