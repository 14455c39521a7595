import { InvariantError, unreachable } from "../lib/assert.ts";
import { following, type UnixMillis } from "../lib/ids.ts";
import { err } from "../lib/result.ts";
import type { ProposeResult, Raft } from "../raft/types.ts";
import { encodeCommand } from "../state/command-codec.ts";
import type { Proposal } from "./proposals.ts";
import type { ProposeFailure } from "./replica.ts";
import type { Waiters } from "./waiters.ts";

/** Of one log entry (DESIGN, Limits). */
const ENTRY_BYTES_MAX = 512 * 1024;

type Encoded = { readonly proposal: Proposal; readonly data: Uint8Array };

/** Of one append to the log: a queue of large entries must not be refused as a whole. */
const APPEND_BYTES_MAX = 8 * 1024 * 1024;

type Batch = {
  readonly raft: Raft;
  readonly proposals: readonly Proposal[];
  readonly waiters: Waiters;
  readonly featureLevel: number;
  readonly at: UnixMillis;
  readonly expiresAtMillis: number;
};

/**
 * Brings waiting proposals into the log as one batch, or answers why not. All are stamped alike:
 * they are one moment of the leader's clock. Returns false when the core is at its own limit.
 */
export function proposeBatch(batch: Batch): boolean {
  let part: Encoded[] = [];
  let bytes = 0;
  let hasRoom = true;
  for (const one of encodeAll(batch.proposals, batch.featureLevel, batch.at)) {
    if (bytes + one.data.byteLength > APPEND_BYTES_MAX) {
      hasRoom = append(batch, part);
      part = [];
      bytes = 0;
    }
    part.push(one);
    bytes += one.data.byteLength;
  }
  return part.length === 0 ? hasRoom : append(batch, part);
}

function append(batch: Batch, part: readonly Encoded[]): boolean {
  const result = batch.raft.propose(part.map(({ data }) => data));
  if (!result.ok) {
    const failure = failureOf(result);
    for (const { proposal } of part) proposal.done(err(failure));
    return failure.kind !== "overloaded";
  }
  const { term } = result;
  const { expiresAtMillis, waiters } = batch;
  let index = result.first;
  for (const { proposal } of part) {
    waiters.add(index, { term, expiresAtMillis, done: proposal.done });
    index = following(index);
  }
  return true;
}

function encodeAll(
  proposals: readonly Proposal[],
  level: number,
  at: UnixMillis,
): readonly Encoded[] {
  const encoded: Encoded[] = [];
  for (const proposal of proposals) {
    const { principal, body } = proposal;
    const data = encodeCommand({ level, at, principal, body });
    if (data.byteLength > ENTRY_BYTES_MAX) proposal.done(err({ kind: "too-large" }));
    else encoded.push({ proposal, data });
  }
  return encoded;
}

function failureOf(result: ProposeResult & { readonly ok: false }): ProposeFailure {
  switch (result.reason) {
    case "not-leader":
    case "not-member":
      return { kind: "not-leader", leader: result.leader };
    case "transferring":
      return { kind: "transferring", leader: result.leader };
    case "uncommitted-limit":
    case "apply-lag":
      return { kind: "overloaded" };
    case "too-large":
      return { kind: "too-large" };
    case "halted":
      return { kind: "stopped" };
    case "conf-pending":
    case "conf-invalid":
    case "learner-behind":
      // Only a change of membership is refused so.
      throw new InvariantError(`a normal proposal was refused as ${result.reason}`);
    default:
      return unreachable(result.reason);
  }
}
