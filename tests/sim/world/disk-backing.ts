import type { Index } from "../../../engine/lib/ids.ts";
import type { Boot, Entry, SnapshotMeta } from "../../../engine/raft/types.ts";
import { must } from "../checker.ts";
import type { ChainedJob } from "./log-image.ts";

/** What the disk does in order: a job of Raft, or the name of a snapshot that this node made. */
export type DiskOp =
  | { readonly kind: "job"; readonly job: ChainedJob }
  | { readonly kind: "record"; readonly snapshot: SnapshotMeta };

/** A real log behind a simulated disk: told what becomes durable, asked for all that is read. */
export interface DiskBacking {
  boot(): Boot;
  perform(ops: readonly DiskOp[]): void;
  truncateBefore(index: Index): void;
  entries(lo: Index, hi: Index, maxBytes: number): readonly Entry[] | "compacted";
  crash(): void;
}

const NAME = "the store is what it should be";

/** A real store must find what the model of it has; a commit index alone may come late. */
export function mustAgree(real: Boot, model: Boot): void {
  // A directory is made with a hard state, the image of a founder without one.
  const [term, votedFor] = [model.hardState?.term, model.hardState?.votedFor];
  const summary = ({ hardState, ...boot }: Boot): string =>
    JSON.stringify([
      ...[term === undefined || hardState?.term === term],
      ...[votedFor === undefined || hardState?.votedFor === votedFor, boot.snapshot?.id ?? null],
      ...[boot.lastIndex, boot.termRuns, boot.confEntries.map(({ index }) => index), boot.damaged],
    ]);
  must(summary(real) === summary(model), NAME, () => {
    return `it finds ${summary(real)}, not ${summary(model)}`;
  });
  const [found, known] = [real.hardState?.commit ?? 0, model.hardState?.commit ?? 1];
  must(found <= known, NAME, () => `it finds commit ${found}, beyond ${known}`);
}
