import { existsSync } from "node:fs";
import type { Client, SavedPiece, SavedSnapshot } from "../../engine/client/client.ts";
import { type NlError, nlError } from "../../engine/lib/error-code.ts";
import type { Index, PeerId, Term } from "../../engine/lib/ids.ts";
import { err, ok, type Result } from "../../engine/lib/result.ts";
import { writeSnapshotFile } from "../../engine/offline/snapshot-file.ts";
import { command } from "../command.ts";
import { Interrupted } from "../interrupted.ts";
import { NlFailure, orFail } from "../nl-failure.ts";
import { ProgressLine } from "../progress-line.ts";
import { withClient } from "../with-client.ts";
import type { World } from "../world.ts";

export const snapshotSave = command({
  name: "save",
  summary: "Save all jobs of a running cluster in one file",
  examples: ["nl snapshot save monday.snap", "nl snapshot save monday.snap --force"],
  args: { force: { type: "boolean", description: "Replace the file if it is there" } },
  positionals: { name: "FILE", min: 1, max: 1 },
  run: async (invocation, world) => {
    const path = invocation.first();
    const mayReplace = invocation.isSet("force");
    if (!mayReplace && existsSync(path)) throw new NlFailure(taken(path));
    return withClient({ invocation, world }, (client) => save({ client, path, mayReplace, world }));
  },
});

const taken = (path: string): NlError =>
  nlError("refused", `${path} is there already`, "another name, or replace it: --force");

async function save(options: {
  readonly client: Client;
  readonly path: string;
  readonly mayReplace: boolean;
  readonly world: World;
}): Promise<number> {
  const { client, path, mayReplace, world } = options;
  const pieces = client.saveSnapshot(world.interrupted)[Symbol.asyncIterator]();
  const first = await pieces.next();
  if (world.interrupted.aborted) throw new Interrupted("nothing was saved");
  const snapshot = headOf(first.done === true ? null : orFail(first.value));
  const progress = new ProgressLine(world);
  const written = await writeSnapshotFile(path, {
    snapshot,
    pieces: dataOf(pieces, world),
    mayReplace,
    onProgress: (bytes) => progress.show(bytes / snapshot.bytes, `${bytes} bytes`),
  });
  progress.clear();
  orFail(written);
  const { index, bytes } = snapshot;
  world.err(`saved ${path}: all that was acked, at index ${index}, ${bytes} bytes, checked\n`);
  return 0;
}

async function* dataOf(
  pieces: AsyncIterator<Result<SavedPiece, NlError>>,
  world: World,
): AsyncGenerator<Result<Uint8Array, NlError>> {
  for (let next = await pieces.next(); next.done !== true; next = await pieces.next()) {
    if (!next.value.ok) return yield next.value;
    const { kind } = next.value.value;
    if (kind?.$case !== "data") return yield err(unknownPiece());
    yield ok(kind.value);
  }
  if (world.interrupted.aborted) throw new Interrupted("nothing was saved");
}

function headOf(piece: SavedPiece | null) {
  const kind = piece?.kind;
  const snapshot: SavedSnapshot | null = kind?.$case === "snapshot" ? kind.value : null;
  if (snapshot?.conf === undefined) throw new NlFailure(unknownPiece());
  const { voters, votersOutgoing, learners, learnersNext, autoLeave } = snapshot.conf;
  return {
    index: snapshot.index as Index,
    term: snapshot.term as Term,
    conf: {
      voters: voters as PeerId[],
      votersOutgoing: votersOutgoing as PeerId[],
      learners: learners as PeerId[],
      learnersNext: learnersNext as PeerId[],
      autoLeave,
    },
    id: snapshot.id,
    bytes: snapshot.bytes,
    sha256: snapshot.sha256,
  };
}

const unknownPiece = (): NlError =>
  nlError("refused", "the cluster's answer is not a snapshot", "use a client of its version");
