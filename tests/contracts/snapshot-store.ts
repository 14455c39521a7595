import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Index, PeerId, Term } from "../../engine/lib/ids.ts";
import type { Result } from "../../engine/lib/result.ts";
import type { Done } from "../../engine/platform/completion.ts";
import type { StorageError } from "../../engine/platform/log-store.ts";
import type { SnapshotStore, SnapshotWriter } from "../../engine/platform/snapshot-store.ts";
import type { SnapshotMeta } from "../../engine/raft/types.ts";

/** One node's store under test. */
export type SnapshotStoreCase = {
  readonly store: SnapshotStore;
  /** The same data as the node's next process finds it. */
  readonly reopen: () => SnapshotStore;
  readonly dispose: () => void;
};

/** What every implementation of `SnapshotStore` does. */
export function describeSnapshotStore(name: string, create: () => SnapshotStoreCase): void {
  describe(`snapshot store contract: ${name}`, () => {
    let open: SnapshotStoreCase;
    let store: SnapshotStore;

    beforeEach(() => {
      open = create();
      store = open.store;
    });

    afterEach(() => open.dispose());

    describe("a snapshot that this node makes", () => {
      test("is what was appended, with its length and hash", async () => {
        const writer = store.create("made");
        for (const at of [0, 100, 100, 1_000]) await append(writer, BYTES.subarray(at, at + 100));
        const finished = await answered(writer.finish.bind(writer));

        const expected = joined([0, 100, 100, 1_000].map((at) => BYTES.subarray(at, at + 100)));
        const snapshot = metaOf("made", expected);
        expect(finished).toEqual({ bytes: snapshot.bytes, sha256: snapshot.sha256 });
        expect(await readAll(store, snapshot)).toEqual(expected);
        expect(await readAll(open.reopen(), snapshot)).toEqual(expected);
      });

      test("is not there before it is finished", async () => {
        const writer = store.create("made");
        await append(writer, BYTES);

        expect(await answer(readFirst(metaOf("made", BYTES)))).toMatchObject(CORRUPT);
      });

      test("is gone when it is abandoned, and what waits is told", async () => {
        const writer = store.create("made");
        await append(writer, BYTES);
        const waiting = answer<void>((done) => writer.append(BYTES, done));
        writer.abandon();

        expect(await waiting).toMatchObject({ ok: false, error: { kind: "io" } });
        expect(await answer(writer.finish.bind(writer))).toMatchObject({ ok: false });
        expect(await answer(readFirst(metaOf("made", BYTES)))).toMatchObject(CORRUPT);
      });

      test("is abandoned by the next one, also of the same name", async () => {
        const first = store.create("made");
        await append(first, BYTES.subarray(0, 500));
        const second = store.create("made");

        expect(await answer(first.finish.bind(first))).toMatchObject({ ok: false });
        await append(second, BYTES);
        await answered(second.finish.bind(second));
        expect(await readAll(store, metaOf("made", BYTES))).toEqual(BYTES);
      });

      test("never answers inside the call", async () => {
        const order: string[] = [];
        const writer = store.create("made");
        const told = (what: string) =>
          new Promise<void>((resolve) => {
            const done = (): void => {
              order.push(what);
              resolve();
            };
            if (what === "append") writer.append(BYTES, done);
            else writer.finish(done);
            order.push(`${what} called`);
          });

        await Promise.all([told("append"), told("finish")]);

        expect(order).toEqual(["append called", "finish called", "append", "finish"]);
      });
    });

    describe("a snapshot that comes from a peer", () => {
      const snapshot = metaOf("sent", BYTES);

      test("is there once it is received and verified, and not before", async () => {
        await receive(store, snapshot, 0, 1_500);
        await receive(store, snapshot, 1_500, BYTES.length);

        expect(await answer(readFirst(snapshot))).toMatchObject(CORRUPT);
        await answered<void>((done) => store.verify(snapshot, done));
        expect(await readAll(store, snapshot)).toEqual(BYTES);
        expect(await readAll(open.reopen(), snapshot)).toEqual(BYTES);
        expect(await received(store, snapshot)).toBe(BYTES.length);
      });

      test("may be verified again", async () => {
        await receive(store, snapshot, 0, BYTES.length);
        await answered<void>((done) => store.verify(snapshot, done));
        await answered<void>((done) => store.verify(snapshot, done));

        expect(await readAll(store, snapshot)).toEqual(BYTES);
      });

      test("resumes where it was cut, also in the next process", async () => {
        expect(await received(store, snapshot)).toBe(0);
        await receive(store, snapshot, 0, 700);
        expect(await received(store, snapshot)).toBe(700);

        const next = open.reopen();
        expect(await received(next, snapshot)).toBe(700);
        await receive(next, snapshot, 700, BYTES.length);
        await answered<void>((done) => next.verify(snapshot, done));
        expect(await readAll(next, snapshot)).toEqual(BYTES);
      });

      test("takes only bytes that follow, and no more than were announced", async () => {
        await receive(store, snapshot, 0, 700);
        const refused = [
          { offset: 699, bytes: BYTES.subarray(699, 800) },
          { offset: 701, bytes: BYTES.subarray(701, 800) },
          { offset: 700, bytes: joined([BYTES.subarray(700), new Uint8Array(1)]) },
        ];

        for (const { offset, bytes } of refused) {
          const result = await answer<void>((done) => store.receive(snapshot, offset, bytes, done));
          expect(result).toMatchObject(CORRUPT);
        }
        expect(await received(store, snapshot)).toBe(700);
      });

      test("is deleted when its bytes are other ones", async () => {
        const other = { ...snapshot, sha256: metaOf("x", BYTES.subarray(1)).sha256 };
        await receive(store, other, 0, BYTES.length);

        const result = await answer<void>((done) => store.verify(other, done));

        expect(result).toMatchObject(CORRUPT);
        expect(await received(store, other)).toBe(0);
      });

      test("is deleted when it is not all there", async () => {
        await receive(store, snapshot, 0, 700);

        expect(await answer<void>((done) => store.verify(snapshot, done))).toMatchObject(CORRUPT);
        expect(await received(store, snapshot)).toBe(0);
      });

      test("starts over when more is there than was announced", async () => {
        await receive(store, snapshot, 0, 700);

        expect(await received(store, { ...snapshot, bytes: 699 })).toBe(0);
        expect(await received(store, snapshot)).toBe(0);
      });

      test("may come beside another one", async () => {
        const bytes = BYTES.slice().reverse();
        const other = metaOf("other", bytes);
        for (let at = 0; at < BYTES.length; at += 1_000) {
          await receive(store, snapshot, at, at + 1_000);
          const piece = bytes.subarray(at, at + 1_000);
          await answered<void>((done) => store.receive(other, at, piece, done));
        }
        await answered<void>((done) => store.verify(other, done));
        await answered<void>((done) => store.verify(snapshot, done));

        expect(await readAll(store, snapshot)).toEqual(BYTES);
        expect(await readAll(store, other)).toEqual(bytes);
      });
    });

    test("is not read under a name that stands for other bytes", async () => {
      await make(store, "made", BYTES);
      const meta = metaOf("made", BYTES);

      for (const wrong of [{ bytes: BYTES.length - 1 }, { sha256: "0".repeat(64) }]) {
        expect(await answer(readFirst({ ...meta, ...wrong }))).toMatchObject(CORRUPT);
      }
    });

    test("gives any piece, and nothing at the end", async () => {
      await make(store, "made", BYTES);
      const meta = metaOf("made", BYTES);
      const read = (offset: number, maxBytes: number) =>
        answered<Uint8Array>((done) => store.readChunk(meta, offset, maxBytes, done));

      expect(await read(10, 20)).toEqual(BYTES.slice(10, 30));
      expect(await read(BYTES.length - 5, 20)).toEqual(BYTES.slice(-5));
      expect((await read(BYTES.length, 20)).length).toBe(0);
    });

    test("keeps what it is told to keep, whole or under way", async () => {
      const sent = metaOf("sent", BYTES);
      const kept = metaOf("kept", BYTES);
      for (const id of ["a", "b"]) await make(store, id, BYTES);
      for (const meta of [sent, kept]) await receive(store, meta, 0, 700);

      store.keepOnly(["b", "kept"]);

      expect(await answer(readFirst(metaOf("a", BYTES)))).toMatchObject(CORRUPT);
      expect(await received(store, sent)).toBe(0);
      expect(await readAll(store, metaOf("b", BYTES))).toEqual(BYTES);
      expect(await received(store, kept)).toBe(700);
    });

    test("forgets nothing of what comes after it was told what to keep", async () => {
      const sent = metaOf("sent", BYTES);

      store.keepOnly([]);
      await receive(store, sent, 0, 700);
      await receive(store, sent, 700, BYTES.length);
      await answered<void>((done) => store.verify(sent, done));

      expect(await readAll(store, sent)).toEqual(BYTES);
    });

    const readFirst = (snapshot: SnapshotMeta) => (done: Done<Uint8Array, StorageError>) =>
      store.readChunk(snapshot, 0, 100, done);
  });
}

export const CORRUPT = { ok: false, error: { kind: "corrupt" } } as const;

/** 5,000 bytes, none like its neighbours. */
export const BYTES: Uint8Array = Uint8Array.from({ length: 5_000 }, (_, at) => at * 7 + (at >> 8));

export function metaOf(id: string, bytes: Uint8Array): SnapshotMeta {
  return {
    index: 9 as Index,
    term: 2 as Term,
    conf: {
      voters: [1 as PeerId],
      votersOutgoing: [],
      learners: [],
      learnersNext: [],
      autoLeave: false,
    },
    id,
    bytes: bytes.length,
    sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex"),
  };
}

export async function make(store: SnapshotStore, id: string, bytes: Uint8Array): Promise<void> {
  const writer = store.create(id);
  await append(writer, bytes);
  await answered(writer.finish.bind(writer));
}

export async function readAll(store: SnapshotStore, snapshot: SnapshotMeta): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for (let offset = 0; ; ) {
    const piece = await answered<Uint8Array>((done) =>
      store.readChunk(snapshot, offset, 1_024, done),
    );
    if (piece.length === 0) return joined(pieces);
    pieces.push(piece);
    offset += piece.length;
  }
}

export const received = (store: SnapshotStore, snapshot: SnapshotMeta): Promise<number> =>
  answered((done) => store.received(snapshot, done));

export function receive(
  store: SnapshotStore,
  snapshot: SnapshotMeta,
  from: number,
  to: number,
): Promise<void> {
  return answered((done) => store.receive(snapshot, from, BYTES.subarray(from, to), done));
}

export const answer = <T>(
  ask: (done: Done<T, StorageError>) => void,
): Promise<Result<T, StorageError>> => new Promise((resolve) => ask(resolve));

async function answered<T>(ask: (done: Done<T, StorageError>) => void): Promise<T> {
  const result = await answer(ask);
  if (!result.ok) throw new Error(`${result.error.kind}: ${result.error.detail}`);
  return result.value;
}

const append = (writer: SnapshotWriter, bytes: Uint8Array): Promise<void> =>
  answered((done) => writer.append(bytes, done));

const joined = (pieces: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(pieces.flatMap((piece) => [...piece]));
