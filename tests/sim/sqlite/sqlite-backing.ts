import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Index, NodeId, PeerId } from "../../../engine/lib/ids.ts";
import type { Result } from "../../../engine/lib/result.ts";
import type { StorageError } from "../../../engine/platform/log-store.ts";
import type { Boot, Entry, SnapshotMeta } from "../../../engine/raft/types.ts";
import { initDataDirectory } from "../../../engine/storage/data-directory.ts";
import { SqliteLog } from "../../../engine/storage/sqlite-log.ts";
import { must } from "../checker.ts";
import { storeIdOf } from "../founding.ts";
import type { DiskBacking, DiskOp } from "../world/disk-backing.ts";

const NAME = "the real log store";

/** The data directories of one run, in a folder of their own. */
export class SqliteDirectories {
  readonly #root = mkdtempSync(join(tmpdir(), "nl-sim-"));
  readonly #backings: SqliteBacking[] = [];

  open(
    peer: PeerId,
    founding: { readonly meta: SnapshotMeta; readonly bytes: Uint8Array },
    now: () => number,
  ): SqliteBacking {
    const backing = new SqliteBacking({ root: this.#root, peer, founding, now });
    this.#backings.push(backing);
    return backing;
  }

  remove(): void {
    for (const backing of this.#backings) backing.close();
    rmSync(this.#root, { recursive: true, force: true });
  }
}

/**
 * A node's log on the real store. A process that dies leaves its files as they are: the next life
 * opens a copy of them. What only a power failure can do is tried where the store is
 * (`engine/storage/crash-image.test.ts`).
 */
export class SqliteBacking implements DiskBacking {
  readonly #root: string;
  readonly #peer: PeerId;
  readonly #now: () => number;
  #log: SqliteLog | null = null;
  #life = 0;
  #seq = 0;

  constructor(options: {
    readonly root: string;
    readonly peer: PeerId;
    readonly founding: { readonly meta: SnapshotMeta; readonly bytes: Uint8Array };
    readonly now: () => number;
  }) {
    this.#root = options.root;
    this.#peer = options.peer;
    this.#now = options.now;
    const nodeId = `n${options.peer}` as NodeId;
    this.#done(
      initDataDirectory({
        ...{ clusterId: "sim", nodeId, peerId: options.peer, storeId: storeIdOf(nodeId) },
        ...{ snapshot: options.founding.meta, snapshotBytes: options.founding.bytes },
        directory: this.#directory,
      }),
    );
  }

  boot(): Boot {
    const log = new SqliteLog({
      ...{ directory: this.#directory, expected: null, monotonicMillis: this.#now },
    });
    this.#log = log;
    return this.#done(log.boot());
  }

  perform(ops: readonly DiskOp[]): void {
    const log = this.#log;
    if (log === null) return;
    for (const op of ops) {
      if (op.kind === "record") this.#done(log.recordSnapshot(op.snapshot));
      else {
        const { hardState, fsync, install } = op.job;
        const entries = op.job.entries.map(({ entry }) => entry);
        const snapshot = install?.snapshot ?? null;
        this.#done(log.write([{ seq: ++this.#seq, hardState, entries, snapshot, fsync }]));
      }
    }
    this.#tend(log);
  }

  truncateBefore(index: Index): void {
    this.#log?.truncateBefore(index);
    if (this.#log !== null) this.#tend(this.#log);
  }

  entries(lo: Index, hi: Index, maxBytes: number): readonly Entry[] | "compacted" {
    must(this.#log !== null, NAME, () => "a log that is not open is not read");
    return this.#done(this.#log.entries(lo, hi, maxBytes));
  }

  /** The process is gone; the next one finds a copy of what it had written. */
  crash(): void {
    if (this.#log === null) return;
    const left = this.#directory;
    this.#life += 1;
    cpSync(left, this.#directory, { recursive: true });
    this.close();
    rmSync(left, { recursive: true, force: true });
  }

  close(): void {
    this.#log?.close();
    this.#log = null;
    this.#seq = 0;
  }

  get #directory(): string {
    return join(this.#root, `n${this.#peer}-${this.#life}`);
  }

  #tend(log: SqliteLog): void {
    while (this.#done(log.tend()) === 0) {
      // A piece of a truncation each time.
    }
  }

  #done<T>(result: Result<T, StorageError>): T {
    must(result.ok, NAME, () => (result.ok ? "" : `${result.error.kind}: ${result.error.detail}`));
    return result.value;
  }
}
