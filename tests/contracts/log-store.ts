import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Index, PeerId, Term } from "../../engine/lib/ids.ts";
import type { Result } from "../../engine/lib/result.ts";
import type { Done } from "../../engine/platform/completion.ts";
import type { LogStore, StorageError } from "../../engine/platform/log-store.ts";
import type {
  Boot,
  Entry,
  EntryKind,
  HardState,
  PersistJob,
  SnapshotMeta,
} from "../../engine/raft/types.ts";

/** One node's store under test. `founding` is the snapshot at index 1 that it starts from. */
export type LogStoreCase = {
  readonly store: LogStore;
  /** Opens the same data again, after a close. */
  readonly reopen: () => LogStore;
  readonly dispose: () => void;
};

/** What every implementation of `LogStore` does. A durable one knows all of it after a close. */
export function describeLogStore(
  name: string,
  kind: "durable" | "volatile",
  create: (founding: SnapshotMeta) => LogStoreCase,
): void {
  describe(`log store contract: ${name}`, () => {
    let open: LogStoreCase;
    let log: Driven;

    beforeEach(async () => {
      open = create(FOUNDING);
      log = new Driven(open.store);
      await log.boot();
    });

    afterEach(async () => {
      await log.close();
      open.dispose();
    });

    const reopened = async (): Promise<Boot> => {
      await log.close();
      log = new Driven(open.reopen());
      return log.boot();
    };

    test("starts from the founding snapshot, whole and without entries", async () => {
      expect(log.booted).toEqual({
        hardState: { term: 1 as Term, votedFor: 0 as PeerId, commit: 1 as Index },
        snapshot: FOUNDING,
        applied: 1 as Index,
        termRuns: [],
        confEntries: [],
        tail: [],
        lastIndex: 1 as Index,
        damaged: false,
      });
    });

    test("gives back what was written, byte for byte and in order", async () => {
      const entries = [
        entry(2, 1, "", "noop"),
        entry(3, 1, "a\0b"),
        entry(4, 2, "x".repeat(70_000)),
        entry(5, 2, "c", "conf"),
      ];

      await log.write({ entries });

      expect(await log.entries(2, 6)).toEqual(entries);
      expect(await log.entries(3, 5)).toEqual(entries.slice(1, 3));
    });

    test("reports jobs in their order and never before the call returned", async () => {
      const order: number[] = [];
      const finished = [1, 2, 3, 4].map(
        (seq) =>
          new Promise<void>((resolve) => {
            const job = { ...EMPTY_JOB, seq: log.nextSeq(), entries: [entry(seq + 1, 1, "e")] };
            log.store.write(job, () => {
              order.push(seq);
              resolve();
            });
            order.push(-seq);
          }),
      );
      await Promise.all(finished);

      expect(order).toEqual([-1, -2, -3, -4, 1, 2, 3, 4]);
    });

    test("reads what was queued before the read", async () => {
      const written = log.write({ entries: [entry(2, 1, "queued")] });
      const read = log.entries(2, 3);

      expect(await read).toEqual([entry(2, 1, "queued")]);
      await written;
    });

    test("keeps the view of the caller's buffer that it was given", async () => {
      const frame = new TextEncoder().encode("before|data|after");
      const data = frame.subarray(7, 11);

      await log.write({ entries: [{ ...entry(2, 1, ""), data }] });

      expect(await log.entries(2, 3)).toEqual([entry(2, 1, "data")]);
      expect(frame.length).toBe(17);
    });

    test("an entry replaces every entry at and after its index", async () => {
      await log.write({ entries: [entry(2, 1, "a"), entry(3, 1, "b"), entry(4, 1, "c")] });
      await log.write({ entries: [entry(3, 2, "B")] });

      expect(await log.entries(2, 100)).toEqual([entry(2, 1, "a"), entry(3, 2, "B")]);
    });

    test("replaces within jobs that wait together", async () => {
      await Promise.all([
        log.write({ entries: [entry(2, 1, "a"), entry(3, 1, "b")] }),
        log.write({ entries: [entry(4, 1, "c")] }),
        log.write({ entries: [entry(3, 2, "B")] }),
        log.write({ entries: [entry(4, 2, "C")] }),
      ]);

      expect(await log.entries(2, 100)).toEqual([
        entry(2, 1, "a"),
        entry(3, 2, "B"),
        entry(4, 2, "C"),
      ]);
    });

    test("a page holds about so many bytes, and at least one entry", async () => {
      await log.write({ entries: [2, 3, 4, 5].map((index) => entry(index, 1, "12345")) });

      expect((await log.entries(2, 6, 10)).length).toBe(2);
      expect((await log.entries(2, 6, 1)).length).toBe(1);
    });

    test("entries before the start of the log are compacted", async () => {
      await log.write({ entries: [entry(2, 1, "a")] });

      expect(await log.read(1, 3)).toBe("compacted");
    });

    test("an installed snapshot replaces the whole log", async () => {
      await log.write({ entries: [entry(2, 1, "a"), entry(3, 1, "b")] });
      await log.write({ snapshot: LATER, entries: [entry(51, 4, "after")] });

      expect(await log.read(3, 4)).toBe("compacted");
      expect(await log.entries(51, 52)).toEqual([entry(51, 4, "after")]);
    });

    test("entries that no snapshot covers are never truncated", async () => {
      await log.write({ entries: [entry(2, 1, "a"), entry(3, 1, "b")] });
      log.store.truncateBefore(3 as Index);

      expect(await log.entries(2, 4)).toEqual([entry(2, 1, "a"), entry(3, 1, "b")]);
    });

    test("a recorded snapshot leaves the log, and lets it be truncated up to there", async () => {
      await log.write({ entries: [2, 3, 4, 5].map((index) => entry(index, 1, "e")) });
      await log.record({ ...LATER, index: 4 as Index, term: 1 as Term });
      expect((await log.entries(2, 6)).length).toBe(4);

      log.store.truncateBefore(6 as Index);

      expect(await log.readUntilCompacted(4)).toBe("compacted");
      expect(await log.entries(5, 6)).toEqual([entry(5, 1, "e")]);
    });

    test("a truncation keeps the tail that it was not asked for", async () => {
      await log.write({ entries: [2, 3, 4, 5].map((index) => entry(index, 1, "e")) });
      await log.record({ ...LATER, index: 5 as Index, term: 1 as Term });
      log.store.truncateBefore(4 as Index);

      expect(await log.readUntilCompacted(3)).toBe("compacted");
      expect((await log.entries(4, 6)).length).toBe(2);
      await log.write({ entries: [entry(6, 1, "next")] });
      expect((await log.entries(4, 7)).length).toBe(3);
    });

    test("records a snapshot after the writes that were queued before it", async () => {
      const written = log.write({ entries: [entry(2, 1, "a"), entry(3, 1, "b")] });
      const recorded = log.record({ ...LATER, index: 3 as Index, term: 1 as Term });

      await Promise.all([written, recorded]);
      expect((await log.entries(2, 4)).length).toBe(2);
    });

    test("takes thousands of jobs at once", async () => {
      const count = 3_000;
      const jobs = Array.from({ length: count }, (_, at) =>
        log.write({ entries: [entry(at + 2, 1, `job ${at}`)] }),
      );
      await Promise.all(jobs);

      const found = await log.entries(2, count + 2, 1e9);
      expect(found.length).toBe(count);
      expect(found.at(-1)).toEqual(entry(count + 1, 1, `job ${count - 1}`));
    });

    if (kind === "volatile") return;

    test("knows everything after a close", async () => {
      const entries = [entry(2, 1, "a"), entry(3, 1, "b", "conf"), entry(4, 3, "c")];
      await log.write({ entries, hardState: hardState(3, 2, 3) });

      const boot = await reopened();

      expect(boot).toEqual({
        hardState: hardState(3, 2, 3),
        snapshot: FOUNDING,
        applied: 1 as Index,
        termRuns: [
          { from: 2 as Index, term: 1 as Term },
          { from: 4 as Index, term: 3 as Term },
        ],
        confEntries: entries.slice(1, 2),
        tail: entries,
        lastIndex: 4 as Index,
        damaged: false,
      });
    });

    test("keeps a commit index that asked for no fsync over a close", async () => {
      await log.write({ entries: [entry(2, 1, "a")], hardState: hardState(1, 1, 1) });
      await log.write({ hardState: hardState(1, 1, 2), fsync: false });

      const boot = await reopened();

      expect(boot.hardState).toEqual(hardState(1, 1, 2));
    });

    test("remembers a replaced suffix as replaced", async () => {
      await log.write({ entries: [entry(2, 1, "a"), entry(3, 1, "b"), entry(4, 1, "c")] });
      await log.write({ entries: [entry(3, 2, "B")], hardState: hardState(2, 1, 1) });

      const boot = await reopened();

      expect(boot.lastIndex).toBe(3 as Index);
      expect(boot.tail).toEqual([entry(2, 1, "a"), entry(3, 2, "B")]);
      expect(boot.damaged).toBe(false);
    });

    test("remembers an installed snapshot and what came after it", async () => {
      await log.write({ entries: [entry(2, 1, "a")] });
      await log.write({ snapshot: LATER, hardState: hardState(4, 0, 50) });
      await log.write({ entries: [entry(51, 4, "after")] });

      const boot = await reopened();

      expect(boot).toEqual({
        hardState: hardState(4, 0, 50),
        snapshot: LATER,
        applied: 50 as Index,
        termRuns: [{ from: 51 as Index, term: 4 as Term }],
        confEntries: [],
        tail: [entry(51, 4, "after")],
        lastIndex: 51 as Index,
        damaged: false,
      });
    });

    test("remembers a recorded snapshot, and boots with it and all that is kept", async () => {
      const entries = [entry(2, 1, "a", "conf"), entry(3, 1, "b"), entry(4, 2, "c", "conf")];
      await log.write({ entries, hardState: hardState(2, 0, 4) });
      const snapshot = { ...LATER, index: 3 as Index, term: 1 as Term };
      await log.record(snapshot);

      const boot = await reopened();

      expect(boot).toMatchObject({ snapshot, applied: 3, lastIndex: 4, damaged: false });
      expect(boot.termRuns.map(({ from }): number => from)).toEqual([2, 4]);
      expect(boot.confEntries).toEqual(entries.slice(2));
    });

    test("boots with what a truncation left", async () => {
      const entries = [2, 3, 4, 5].map((index) => entry(index, 1, "e"));
      await log.write({ entries, hardState: hardState(1, 0, 5) });
      const snapshot = { ...LATER, index: 4 as Index, term: 1 as Term };
      await log.record(snapshot);
      log.store.truncateBefore(4 as Index);
      await log.readUntilCompacted(3);

      const boot = await reopened();

      expect(boot).toMatchObject({ snapshot, applied: 4, lastIndex: 5, damaged: false });
      expect(boot.termRuns).toEqual([{ from: 4 as Index, term: 1 as Term }]);
      expect(await log.entries(4, 6)).toEqual(entries.slice(2));
    });

    test("goes on writing after it was reopened", async () => {
      await log.write({ entries: [entry(2, 1, "a")] });
      await reopened();
      await log.write({ entries: [entry(3, 1, "b")] });

      expect(await log.entries(2, 4)).toEqual([entry(2, 1, "a"), entry(3, 1, "b")]);
    });
  });
}

/** A store behind promises: a test waits for an answer where the node takes it as an input. */
class Driven {
  readonly store: LogStore;
  booted: Boot | null = null;
  #seq = 0;

  constructor(store: LogStore) {
    this.store = store;
  }

  nextSeq(): number {
    this.#seq += 1;
    return this.#seq;
  }

  async boot(): Promise<Boot> {
    this.booted = await answered<Boot>((done) => this.store.boot(done));
    return this.booted;
  }

  write(job: Partial<PersistJob>): Promise<void> {
    const whole = { ...EMPTY_JOB, ...job, seq: this.nextSeq() };
    return answered((done) => this.store.write(whole, done));
  }

  read(lo: number, hi: number, maxBytes = 1e6): Promise<readonly Entry[] | "compacted"> {
    return answered((done) => this.store.entries(lo as Index, hi as Index, maxBytes, done));
  }

  async entries(lo: number, hi: number, maxBytes?: number): Promise<readonly Entry[]> {
    const found = await this.read(lo, hi, maxBytes);
    if (found === "compacted") throw new Error("compacted");
    return found.map((one) => ({ ...one, data: new Uint8Array(one.data) }));
  }

  record(snapshot: SnapshotMeta): Promise<void> {
    return answered((done) => this.store.recordSnapshot(snapshot, done));
  }

  /** A truncation is lazy: asks again until it has happened. */
  async readUntilCompacted(index: number): Promise<"compacted"> {
    while ((await this.read(index, index + 1)) !== "compacted") await Bun.sleep(1);
    return "compacted";
  }

  close(): Promise<void> {
    return answered((done) => this.store.close(done));
  }
}

function answered<T>(ask: (done: Done<T, StorageError>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    ask((result: Result<T, StorageError>) => {
      if (result.ok) resolve(result.value);
      else reject(new Error(`${result.error.kind}: ${result.error.detail}`));
    });
  });
}

const CONF = {
  voters: [1, 2, 3] as PeerId[],
  votersOutgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
};

export const FOUNDING_BYTES: Uint8Array = new TextEncoder().encode("founding");

export const FOUNDING: SnapshotMeta = {
  index: 1 as Index,
  term: 1 as Term,
  conf: CONF,
  id: "founding",
  bytes: FOUNDING_BYTES.length,
  sha256: new Bun.CryptoHasher("sha256").update(FOUNDING_BYTES).digest("hex"),
};

/** A later one, of which every store under test has the file: it boots with nothing else. */
export const LATER_BYTES: Uint8Array = new TextEncoder().encode("abc");
export const LATER: SnapshotMeta = {
  index: 50 as Index,
  term: 4 as Term,
  conf: CONF,
  id: "later",
  bytes: 3,
  sha256: "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
};

const EMPTY_JOB: PersistJob = { seq: 0, hardState: null, entries: [], snapshot: null, fsync: true };

const hardState = (term: number, votedFor: number, commit: number): HardState => ({
  term: term as Term,
  votedFor: votedFor as PeerId,
  commit: commit as Index,
});

const entry = (index: number, term: number, text: string, kind: EntryKind = "normal"): Entry => ({
  index: index as Index,
  term: term as Term,
  kind,
  data: new TextEncoder().encode(text),
});
