import type { SavedPiece } from "../../../proto/gen/nl/v1/cluster.ts";
import { type NlError, nlError } from "../../lib/error-code.ts";
import type { Index } from "../../lib/ids.ts";
import { err, ok, type Result } from "../../lib/result.ts";
import type { StorageError } from "../../platform/log-store.ts";
import type { HeldSnapshot, HoldFailure } from "../../replica/snapshot-holds.ts";
import type { Caller } from "../caller.ts";
import type { ApiContext } from "../context.ts";
import { readView } from "./read.ts";

const PIECE_BYTES = 256 * 1024;

/** Everything that was acked before the call, at the pace of its reader. */
export async function* saveSnapshot(
  context: ApiContext,
  caller: Caller & { readonly signal: AbortSignal },
): AsyncGenerator<Result<SavedPiece, NlError>> {
  const read = await readView(context, caller, false);
  if (!read.ok) return yield read;
  const held = await hold(context, read.value.view.appliedIndex);
  if (!held.ok) return yield err(notMade(held.error));
  try {
    yield* piecesOf(held.value, caller.signal);
  } finally {
    held.value.release();
  }
}

async function* piecesOf(
  held: HeldSnapshot,
  signal: AbortSignal,
): AsyncGenerator<Result<SavedPiece, NlError>> {
  yield ok({ kind: { $case: "snapshot", value: headOf(held) } });
  for (let offset = 0; !signal.aborted; ) {
    const piece = await readAt(held, offset);
    if (!piece.ok) return yield err(unreadable(piece.error.detail));
    if (piece.value.length === 0) return;
    offset += piece.value.length;
    const { buffer, byteOffset, byteLength } = piece.value;
    yield ok({ kind: { $case: "data", value: Buffer.from(buffer, byteOffset, byteLength) } });
  }
}

const hold = (
  { replica }: ApiContext,
  atLeast: Index,
): Promise<Result<HeldSnapshot, HoldFailure>> =>
  new Promise((resolve) => replica.holdSnapshot(atLeast, resolve));

const readAt = (held: HeldSnapshot, offset: number): Promise<Result<Uint8Array, StorageError>> =>
  new Promise((resolve) => held.read(offset, PIECE_BYTES, resolve));

function headOf({ snapshot }: HeldSnapshot) {
  const { index, term, conf, id, bytes, sha256 } = snapshot;
  const members = {
    voters: [...conf.voters],
    votersOutgoing: [...conf.votersOutgoing],
    learners: [...conf.learners],
    learnersNext: [...conf.learnersNext],
    autoLeave: conf.autoLeave,
  };
  return { index, term, conf: members, id, bytes, sha256 };
}

function notMade(failure: HoldFailure): NlError {
  if (failure.kind === "stopped") {
    return nlError("unreachable", "this node has stopped working on its log", "ask another node");
  }
  const code = failure.kind === "full" ? "low_disk" : "refused";
  return nlError(code, `no snapshot could be made: ${failure.detail}`, "ask another node");
}

const unreadable = (why: string): NlError =>
  nlError("refused", `the snapshot of this node cannot be read: ${why}`, "ask another node");
