import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Index, NodeId, PeerId, Term } from "../lib/ids.ts";
import type { Result } from "../lib/result.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { Entry, HardState, PersistJob, SnapshotMeta } from "../raft/types.ts";
import { initDataDirectory, type NewNode } from "./data-directory.ts";
import type { SnapshotFileRule } from "./open-log.ts";
import { digestOf } from "./snapshot-bytes.ts";
import { SqliteLog } from "./sqlite-log.ts";

/** What the tests of this folder write with, and on. */

export const FOUNDING_BYTES: Uint8Array = new TextEncoder().encode("founding");

export const FOUNDING: SnapshotMeta = {
  index: 1 as Index,
  term: 1 as Term,
  conf: {
    voters: [1 as PeerId],
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  },
  id: "founding",
  bytes: FOUNDING_BYTES.length,
  sha256: digestOf(FOUNDING_BYTES).sha256(),
};

export const newNode = (name = "n1"): NewNode => ({
  clusterId: "cluster-a",
  nodeId: name as NodeId,
  peerId: 1 as PeerId,
  storeId: `store-of-${name}`,
  snapshot: FOUNDING,
  snapshotBytes: FOUNDING_BYTES,
});

/** A data directory in a folder of its own, both gone after `remove`. */
export class Scratch {
  readonly root: string;
  readonly directory: string;
  #copies = 0;

  constructor(parent: string = tmpdir()) {
    this.root = mkdtempSync(join(parent, "nl-storage-"));
    this.directory = join(this.root, "n1");
    must(initDataDirectory({ ...newNode(), directory: this.directory }));
  }

  /** The directory as a crash at this moment would leave it. */
  copy(): string {
    this.#copies += 1;
    const copy = join(this.root, `copy-${this.#copies}`);
    cpSync(this.directory, copy, { recursive: true });
    return copy;
  }

  remove(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A clock that stands still until it is told. */
export type HandClock = { millis: number };

/** A log that was not booted yet. Without a clock, time stands still. */
export function logIn(
  directory: string,
  clock: HandClock = { millis: 0 },
  snapshotFile: SnapshotFileRule = "not-looked-at",
): SqliteLog {
  const monotonicMillis = (): number => clock.millis;
  return new SqliteLog({ directory, expected: null, snapshotFile, monotonicMillis });
}

/** A booted log, which is refused to a test that expected to get one. */
export function openLogIn(directory: string, clock?: HandClock): SqliteLog {
  const log = logIn(directory, clock);
  must(log.boot());
  return log;
}

export function must<T>(result: Result<T, StorageError>): T {
  if (!result.ok) throw new Error(`${result.error.kind}: ${result.error.detail}`);
  return result.value;
}

export const hardState = (term: number, votedFor: number, commit: number): HardState => ({
  term: term as Term,
  votedFor: votedFor as PeerId,
  commit: commit as Index,
});

export const entry = (index: number, term: number, text = `entry ${index}`): Entry => ({
  index: index as Index,
  term: term as Term,
  kind: "normal",
  data: new TextEncoder().encode(text),
});

let seq = 0;

/** A job with the next number of this process. */
export function job(content: Partial<Omit<PersistJob, "seq">>): PersistJob {
  seq += 1;
  return { hardState: null, entries: [], snapshot: null, fsync: true, ...content, seq };
}
