import { assert } from "../lib/assert.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotStore, SnapshotWriter } from "../platform/snapshot-store.ts";
import type { Timers } from "../platform/timers.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import { Digest, digestOf, findMismatch } from "./snapshot-bytes.ts";

type Whole = { readonly data: Uint8Array; readonly sha256: string };

/** What is in memory, by id. Two stores on the same one: a process and its successor. */
export type SnapshotMemory = {
  readonly whole: Map<string, Whole>;
  readonly partial: Map<string, Pieces>;
};

/** Memory that holds these snapshots. */
export function snapshotMemory(
  snapshots: Iterable<readonly [string, Uint8Array]> = [],
): SnapshotMemory {
  const whole = new Map<string, Whole>();
  for (const [id, data] of snapshots) whole.set(id, { data, sha256: digestOf(data).sha256() });
  return { whole, partial: new Map() };
}

/** Bytes that arrive one piece after the other. */
class Pieces {
  readonly #pieces: Uint8Array[] = [];
  readonly #digest = new Digest();

  get bytes(): number {
    return this.#digest.bytes;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece.slice());
    this.#digest.update(piece);
  }

  sha256(): string {
    return this.#digest.sha256();
  }

  join(): Whole {
    const data = new Uint8Array(this.bytes);
    let at = 0;
    for (const piece of this.#pieces) {
      data.set(piece, at);
      at += piece.length;
    }
    return { data, sha256: this.sha256() };
  }
}

/** Snapshots that last as long as their memory: `--ephemeral`, and simulated nodes. */
export class MemorySnapshots implements SnapshotStore {
  readonly #timers: Timers;
  readonly #memory: SnapshotMemory;
  #writer: MemoryWriter | null = null;

  constructor(timers: Timers, memory: SnapshotMemory) {
    this.#timers = timers;
    this.#memory = memory;
  }

  create(id: string): SnapshotWriter {
    this.#writer?.abandon();
    this.#writer = new MemoryWriter(this.#timers, (made) => this.#memory.whole.set(id, made));
    return this.#writer;
  }

  readChunk(
    snapshot: SnapshotMeta,
    offset: number,
    maxBytes: number,
    done: Done<Uint8Array, StorageError>,
  ): void {
    const mismatch = this.#findMismatch(snapshot);
    const data = this.#memory.whole.get(snapshot.id)?.data;
    const chunk = data?.slice(offset, offset + maxBytes) ?? new Uint8Array(0);
    this.#answer(done, mismatch === null ? ok(chunk) : err(mismatch));
  }

  received(snapshot: SnapshotMeta, done: Done<number, StorageError>): void {
    const { partial } = this.#memory;
    const { id, bytes } = snapshot;
    if ((partial.get(id)?.bytes ?? 0) > bytes) partial.delete(id);
    const isWhole = this.#findMismatch(snapshot) === null;
    this.#answer(done, ok(isWhole ? bytes : (partial.get(id)?.bytes ?? 0)));
  }

  receive(
    snapshot: SnapshotMeta,
    offset: number,
    bytes: Uint8Array,
    done: Done<void, StorageError>,
  ): void {
    const pieces = this.#memory.partial.get(snapshot.id) ?? new Pieces();
    if (offset !== pieces.bytes || offset + bytes.length > snapshot.bytes) {
      const detail = `${offset} does not follow ${pieces.bytes} bytes: ask where to resume`;
      this.#answer(done, err({ kind: "corrupt", detail }));
      return;
    }
    pieces.push(bytes);
    this.#memory.partial.set(snapshot.id, pieces);
    this.#answer(done, ok(undefined));
  }

  verify(snapshot: SnapshotMeta, done: Done<void, StorageError>): void {
    const { whole, partial } = this.#memory;
    if (this.#findMismatch(snapshot) === null) {
      this.#answer(done, ok(undefined));
      return;
    }
    const pieces = partial.get(snapshot.id) ?? new Pieces();
    const mismatch = findMismatch(snapshot, pieces);
    partial.delete(snapshot.id);
    if (mismatch === null) whole.set(snapshot.id, pieces.join());
    this.#answer(done, mismatch === null ? ok(undefined) : err(mismatch));
  }

  keepOnly(ids: readonly string[]): void {
    for (const map of [this.#memory.whole, this.#memory.partial]) {
      for (const id of map.keys()) if (!ids.includes(id)) map.delete(id);
    }
  }

  #findMismatch(snapshot: SnapshotMeta): StorageError | null {
    const found = this.#memory.whole.get(snapshot.id);
    const bytes = found?.data.length ?? 0;
    return findMismatch(snapshot, { bytes, sha256: () => found?.sha256 ?? "" });
  }

  #answer<T>(done: Done<T, StorageError>, result: Result<T, StorageError>): void {
    this.#timers.soon(() => done(result));
  }
}

class MemoryWriter implements SnapshotWriter {
  readonly #timers: Timers;
  readonly #publish: (made: Whole) => void;
  readonly #pieces = new Pieces();
  #state: "open" | "abandoned" | "finished" = "open";

  constructor(timers: Timers, publish: (made: Whole) => void) {
    this.#timers = timers;
    this.#publish = publish;
  }

  append(bytes: Uint8Array, done: Done<void, StorageError>): void {
    assert(this.#state !== "finished", "a snapshot is finished once");
    this.#pieces.push(bytes);
    this.#answer(done, () => undefined);
  }

  finish(done: Done<{ readonly bytes: number; readonly sha256: string }, StorageError>): void {
    assert(this.#state !== "finished", "a snapshot is finished once");
    this.#answer(done, () => {
      this.#state = "finished";
      const made = this.#pieces.join();
      this.#publish(made);
      return { bytes: made.data.length, sha256: made.sha256 };
    });
  }

  abandon(): void {
    if (this.#state === "open") this.#state = "abandoned";
  }

  #answer<T>(done: Done<T, StorageError>, work: () => T): void {
    this.#timers.soon(() => {
      if (this.#state === "open") done(ok(work()));
      else done(err({ kind: "io", detail: "the snapshot was abandoned" }));
    });
  }
}
