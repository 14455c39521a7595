import { NOBODY, type NodeId, type PeerId } from "../../lib/ids.ts";
import type { Applying } from "../applying.ts";
import type { JoinToken } from "../cluster-state.ts";
import type { CommandBody, Outcome, Refusal } from "../command.ts";
import type { ClusterState } from "../create-state.ts";

type RedeemJoinToken = Extract<CommandBody, { kind: "redeem-join-token" }>;

/**
 * A node joins: it gets a name and a number that nobody ever had. Asking again with the same store
 * finds the node that is there already, so that a lost answer costs nothing. Expiry is judged in
 * replicated time.
 */
export function applyRedeemJoinToken(applying: Applying, command: RedeemJoinToken): Outcome {
  const { state } = applying;
  const { node, tokenId, secretHash } = command;
  const token = state.joinTokens.get(tokenId);
  const refused = refusalFor(token, secretHash, applying);
  if (token === undefined || refused !== null) {
    return { kind: "refused", refusal: refused ?? { kind: "bad-token", why: "unknown" } };
  }
  if (isKnownStore(state, node.storeId)) return applying.done(true);
  const refusal = token.usesLeft === 0 ? USED_UP : refusalForNode(state, node);
  if (refusal !== null) return { kind: "refused", refusal };

  applying.putJoinToken({ ...token, usesLeft: token.usesLeft - 1 });
  addNode(applying, token, node);
  return applying.done();
}

const USED_UP: Refusal = { kind: "bad-token", why: "used-up" };

function refusalFor(
  token: JoinToken | undefined,
  secretHash: string,
  { at }: Applying,
): Refusal | null {
  if (token === undefined) return { kind: "bad-token", why: "unknown" };
  if (token.secretHash !== secretHash) return { kind: "bad-token", why: "wrong-secret" };
  if (token.revoked) return { kind: "bad-token", why: "revoked" };
  return token.expiresAt <= at ? { kind: "bad-token", why: "expired" } : null;
}

function refusalForNode(state: ClusterState, node: RedeemJoinToken["node"]): Refusal | null {
  if (node.featureLevel < state.featureLevel) {
    return { kind: "feature-level", featureLevel: state.featureLevel };
  }
  if (node.name === "") return null;
  if (state.formerNodes.has(node.name)) return { kind: "removed-node", nodeId: node.name };
  return state.nodes.has(node.name) ? { kind: "name-taken", nodeId: node.name } : null;
}

function isKnownStore(state: ClusterState, storeId: string): boolean {
  for (const node of state.nodes.values()) if (node.storeId === storeId) return true;
  return false;
}

function addNode(applying: Applying, token: JoinToken, node: RedeemJoinToken["node"]): void {
  const { state } = applying;
  const isServer = token.role === "server";
  const peerId = isServer ? state.nextPeerId : NOBODY;
  if (isServer) state.setNextPeerId((peerId + 1) as PeerId);
  applying.putNode({
    id: node.name === "" ? freeName(state, isServer ? "n" : "w", peerId) : node.name,
    peerId,
    seat: isServer ? node.seat : "none",
    storeId: node.storeId,
    roles: [token.role],
    rpcAddress: node.rpcAddress,
    httpAddress: node.httpAddress,
    liveness: "alive",
    drain: null,
    cpuMillis: 0,
    memoryBytes: 0,
    slots: 0,
    drivers: [],
    labels: {},
    featureLevel: node.featureLevel,
    version: node.version,
    registered: false,
  });
}

/** `n4` for peer 4, as long as nobody has that name or had it. */
function freeName(state: ClusterState, letter: string, peerId: PeerId): NodeId {
  for (let number = Math.max(peerId, 1); ; number++) {
    const name = `${letter}${number}` as NodeId;
    if (!state.nodes.has(name) && !state.formerNodes.has(name)) return name;
  }
}
