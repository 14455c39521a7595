import { type FileHandle, open, readdir, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { assert } from "../lib/assert.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotStore, SnapshotWriter } from "../platform/snapshot-store.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import { FILE_MODE } from "./node-files.ts";
import {
  Digest,
  digestFile,
  findMismatch,
  idOfFile,
  isPlainId,
  readPiece,
  snapshotPaths,
  writeAll,
} from "./snapshot-bytes.ts";
import { StorageFault, toStorageError } from "./storage-fault.ts";

/** After so many bytes they are synced, so that no single fsync at the end holds up the log's. */
const SYNC_BYTES = 16 * 1024 * 1024;

/**
 * Snapshots as files in the folder `snapshots` of a node's directory: `ID` is whole and durable,
 * `ID.part` what a transfer has brought, `ID.tmp` what is being made here. One thing is done after
 * the other, off the event loop. Whoever asks bounds itself: it waits for its answer.
 */
export class SnapshotFiles implements SnapshotStore {
  readonly #directory: string;
  #queue: Promise<void> = Promise.resolve();
  #writer: FileWriter | null = null;
  /** What transfers have brought, so that no byte is hashed twice in one life of the process. */
  readonly #partials = new Map<string, Digest>();
  /** By id: what the whole files are that were hashed in this life of the process. */
  readonly #verified = new Map<string, Written>();

  constructor(directory: string) {
    this.#directory = directory;
  }

  create(id: string): SnapshotWriter {
    assert(isPlainId(id), "a node names its own snapshots by plain file names");
    this.#writer?.abandon();
    const { whole, unfinished } = snapshotPaths(this.#directory, id);
    this.#writer = new FileWriter(unfinished, {
      inOrder: (work, done) => this.#inOrder(`writing snapshot ${id}`, work, done),
      publish: async (written) => {
        await rename(unfinished, whole);
        await syncFolder(this.#directory);
        this.#verified.set(id, written);
      },
    });
    return this.#writer;
  }

  readChunk(
    snapshot: SnapshotMeta,
    offset: number,
    maxBytes: number,
    done: Done<Uint8Array, StorageError>,
  ): void {
    const work = async (): Promise<Uint8Array> => {
      const mismatch = await this.#findMismatch(snapshot);
      if (mismatch !== null) throw new StorageFault(mismatch.kind, mismatch.detail);
      const length = Math.min(maxBytes, Math.max(0, snapshot.bytes - offset));
      const { whole } = snapshotPaths(this.#directory, snapshot.id);
      const piece = await readPiece(whole, offset, length);
      if (piece.length === length) return piece;
      throw new StorageFault("corrupt", `snapshot ${snapshot.id} became shorter: it is damaged`);
    };
    this.#inOrder(`reading snapshot ${snapshot.id}`, work, done);
  }

  received(snapshot: SnapshotMeta, done: Done<number, StorageError>): void {
    const work = async (): Promise<number> => {
      if ((await this.#findMismatch(snapshot)) === null) return snapshot.bytes;
      const { bytes } = await this.#partial(snapshot.id);
      if (bytes <= snapshot.bytes) return bytes;
      await this.#discard(snapshot.id);
      return 0;
    };
    this.#inOrder(`looking for snapshot ${snapshot.id}`, work, done);
  }

  receive(
    snapshot: SnapshotMeta,
    offset: number,
    bytes: Uint8Array,
    done: Done<void, StorageError>,
  ): void {
    const work = async (): Promise<void> => {
      const { id } = snapshot;
      const digest = await this.#partial(id);
      checkFits({ snapshot, offset, length: bytes.length, there: digest.bytes });
      // Until it is written: after a failure the file is asked what it holds.
      this.#partials.delete(id);
      const { partial } = snapshotPaths(this.#directory, id);
      const isSyncDue = crosses(SYNC_BYTES, offset, bytes.length);
      await withFile(partial, "a", async (file) => {
        await writeAll(file, bytes, offset);
        if (isSyncDue) await file.datasync();
      });
      digest.update(bytes);
      this.#partials.set(id, digest);
    };
    this.#inOrder(`receiving snapshot ${snapshot.id}`, work, done);
  }

  verify(snapshot: SnapshotMeta, done: Done<void, StorageError>): void {
    const work = async (): Promise<void> => {
      const { id } = snapshot;
      if ((await this.#findMismatch(snapshot)) === null) return;
      const mismatch = findMismatch(snapshot, await this.#partial(id));
      if (mismatch !== null) {
        await this.#discard(id);
        throw new StorageFault(mismatch.kind, mismatch.detail);
      }
      const { partial, whole } = snapshotPaths(this.#directory, id);
      await withFile(partial, "a", (file) => file.sync());
      await rename(partial, whole);
      await syncFolder(this.#directory);
      this.#partials.delete(id);
      this.#verified.set(id, { bytes: snapshot.bytes, sha256: snapshot.sha256 });
    };
    this.#inOrder(`keeping snapshot ${snapshot.id}`, work, done);
  }

  keepOnly(ids: readonly string[]): void {
    const work = async (): Promise<void> => {
      for (const name of await readdir(this.#directory)) {
        const id = idOfFile(name);
        const path = join(this.#directory, name);
        if (ids.includes(id) || path === this.#writer?.path) continue;
        this.#partials.delete(id);
        this.#verified.delete(id);
        await rm(path, { force: true, recursive: true });
      }
    };
    // What could not be removed is tried again next time.
    this.#inOrder("removing old snapshots", work, () => {});
  }

  /** Null when the whole file is here and is what `snapshot` says. */
  async #findMismatch(snapshot: SnapshotMeta): Promise<StorageError | null> {
    const { id, bytes, sha256 } = snapshot;
    const known = this.#verified.get(id);
    if (known?.bytes === bytes && known.sha256 === sha256) return null;
    const { whole } = snapshotPaths(this.#directory, id);
    const mismatch = findMismatch(snapshot, await digestFile(whole));
    if (mismatch === null) this.#verified.set(id, { bytes, sha256 });
    return mismatch;
  }

  async #partial(id: string): Promise<Digest> {
    const known = this.#partials.get(id);
    if (known !== undefined) return known;
    const digest = await digestFile(snapshotPaths(this.#directory, id).partial);
    this.#partials.set(id, digest);
    return digest;
  }

  async #discard(id: string): Promise<void> {
    this.#partials.delete(id);
    await rm(snapshotPaths(this.#directory, id).partial, { force: true });
  }

  /** Answers on a turn of its own. What is not the disk's fault is a bug and stops the process. */
  #inOrder<T>(doing: string, work: () => Promise<T>, done: Done<T, StorageError>): void {
    this.#queue = this.#queue.then(async () => {
      const result = await outcome(doing, work);
      setImmediate(() => done(result));
    });
  }
}

type Written = { readonly bytes: number; readonly sha256: string };

type WriterOwner = {
  readonly inOrder: <T>(work: () => Promise<T>, done: Done<T, StorageError>) => void;
  /** The file is written and synced: gives it its name. */
  readonly publish: (written: Written) => Promise<void>;
};

/** Opens its file for each piece: a writer that is forgotten leaves no handle behind. */
class FileWriter implements SnapshotWriter {
  readonly path: string;
  readonly #owner: WriterOwner;
  readonly #digest = new Digest();
  #state: "open" | "abandoned" | "finished" = "open";

  constructor(path: string, owner: WriterOwner) {
    this.path = path;
    this.#owner = owner;
  }

  append(bytes: Uint8Array, done: Done<void, StorageError>): void {
    this.#whileOpen(async (file) => {
      const offset = this.#digest.bytes;
      await writeAll(file, bytes, offset);
      if (crosses(SYNC_BYTES, offset, bytes.length)) await file.datasync();
      this.#digest.update(bytes);
    }, done);
  }

  finish(done: Done<Written, StorageError>): void {
    this.#whileOpen(async (file) => {
      await file.sync();
      const written = { bytes: this.#digest.bytes, sha256: this.#digest.sha256() };
      await this.#owner.publish(written);
      this.#state = "finished";
      return written;
    }, done);
  }

  abandon(): void {
    if (this.#state !== "open") return;
    this.#state = "abandoned";
    this.#owner.inOrder(
      () => rm(this.path, { force: true }),
      () => {},
    );
  }

  #whileOpen<T>(work: (file: FileHandle) => Promise<T>, done: Done<T, StorageError>): void {
    assert(this.#state !== "finished", "a snapshot is finished once");
    this.#owner.inOrder(() => {
      if (this.#state !== "open") throw new StorageFault("io", "the snapshot was abandoned");
      // The first piece empties what a crash left under this name.
      return withFile(this.path, this.#digest.bytes === 0 ? "w" : "r+", work);
    }, done);
  }
}

async function outcome<T>(doing: string, work: () => Promise<T>): Promise<Result<T, StorageError>> {
  try {
    return ok(await work());
  } catch (thrown) {
    return err(toStorageError(doing, thrown));
  }
}

function checkFits(chunk: {
  readonly snapshot: SnapshotMeta;
  readonly offset: number;
  readonly length: number;
  readonly there: number;
}): void {
  const { snapshot, offset, length, there } = chunk;
  if (offset === there && offset + length <= snapshot.bytes) return;
  throw new StorageFault(
    "corrupt",
    `bytes ${offset} to ${offset + length} do not follow the ${there} of ${snapshot.bytes} bytes ` +
      `that are here of snapshot ${snapshot.id}: ask where to resume`,
  );
}

async function withFile<T>(
  path: string,
  flags: string,
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, flags, FILE_MODE);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

const syncFolder = (directory: string): Promise<void> =>
  withFile(directory, "r", (folder) => folder.sync());

/** Whether bytes at `offset` reach over a multiple of `step`. */
const crosses = (step: number, offset: number, length: number): boolean =>
  Math.floor(offset / step) !== Math.floor((offset + length) / step);
