import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Result } from "../lib/result.ts";
import type { Done } from "../platform/completion.ts";
import type { StorageError } from "../platform/log-store.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import { FOUNDING } from "./log-fixture.ts";
import { digestOf, writeSnapshotFile } from "./snapshot-bytes.ts";
import { SnapshotFiles } from "./snapshot-files.ts";

/** What only files can do: rot, be cut, and lie where they should not. The rest: tests/contracts. */

let root: string;
let directory: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "nl-snapshots-"));
  directory = join(root, "snapshots");
  writeSnapshotFile(directory, SNAPSHOT.id, BYTES);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const BYTES = Uint8Array.from({ length: 200 }, (_, at) => at * 5);
const SNAPSHOT: SnapshotMeta = {
  ...FOUNDING,
  id: "one",
  bytes: BYTES.length,
  sha256: digestOf(BYTES).sha256(),
};
const CORRUPT = { ok: false, error: { kind: "corrupt" } };

const asked = <T>(ask: (done: Done<T, StorageError>) => void) =>
  new Promise<Result<T, StorageError>>((resolve) => ask(resolve));

const readIn = (store: SnapshotFiles, snapshot = SNAPSHOT) =>
  asked<Uint8Array>((done) => store.readChunk(snapshot, 0, 1_000, done));

describe("a snapshot's file", () => {
  test("is refused by the next process when any one of its bytes has changed", async () => {
    const path = join(directory, SNAPSHOT.id);
    for (let at = 0; at < BYTES.length; at++) {
      const rotten = readFileSync(path);
      rotten[at] = (rotten[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(path, rotten);
      expect(await readIn(new SnapshotFiles(directory))).toMatchObject(CORRUPT);
      writeFileSync(path, BYTES);
    }

    expect(await readIn(new SnapshotFiles(directory))).toEqual({ ok: true, value: BYTES });
  });

  test("is refused when it is shorter, longer or gone, and the sentence says which", async () => {
    const path = join(directory, SNAPSHOT.id);
    const saying = (text: string) => ({
      ok: false,
      error: { kind: "corrupt", detail: expect.stringContaining(text) },
    });

    truncateSync(path, 199);
    expect(await readIn(new SnapshotFiles(directory))).toMatchObject(saying("has 199 bytes"));
    appendFileSync(path, "xx");
    expect(await readIn(new SnapshotFiles(directory))).toMatchObject(saying("has 201 bytes"));
    rmSync(path);
    expect(await readIn(new SnapshotFiles(directory))).toMatchObject(saying("is missing"));
  });

  test("that becomes shorter while it is read is an error, never a shorter answer", async () => {
    const store = new SnapshotFiles(directory);
    await readIn(store);
    truncateSync(join(directory, SNAPSHOT.id), 100);

    expect(await readIn(store)).toMatchObject(CORRUPT);
  });

  test("is private, and leaves nothing else behind", async () => {
    const store = new SnapshotFiles(directory);
    const writer = store.create("two");
    await asked<void>((done) => writer.append(BYTES, done));
    await asked(writer.finish.bind(writer));
    await asked<void>((done) => store.receive({ ...SNAPSHOT, id: "three" }, 0, BYTES, done));
    await asked<void>((done) => store.verify({ ...SNAPSHOT, id: "three" }, done));

    expect(readdirSync(directory).sort()).toEqual(["one", "three", "two"]);
    for (const name of ["two", "three"]) {
      expect(statSync(join(directory, name)).mode & 0o777).toBe(0o600);
    }
  });

  test("replaces a damaged one of the same name once it is whole", async () => {
    writeFileSync(join(directory, SNAPSHOT.id), "rotten");
    const store = new SnapshotFiles(directory);
    const received = () => asked<number>((done) => store.received(SNAPSHOT, done));

    expect(await received()).toEqual({ ok: true, value: 0 });
    await asked<void>((done) => store.receive(SNAPSHOT, 0, BYTES, done));
    expect(readFileSync(join(directory, SNAPSHOT.id), "utf8")).toBe("rotten");
    await asked<void>((done) => store.verify(SNAPSHOT, done));

    expect(await readIn(store)).toEqual({ ok: true, value: BYTES });
  });
});

describe("a transfer", () => {
  test("whose bytes rot between two processes is found out at its end", async () => {
    const sent = { ...SNAPSHOT, id: "sent" };
    await asked<void>((done) =>
      new SnapshotFiles(directory).receive(sent, 0, BYTES.subarray(0, 100), done),
    );
    const part = join(directory, "sent.part");
    const rotten = readFileSync(part);
    rotten[7] = (rotten[7] ?? 0) ^ 4;
    writeFileSync(part, rotten);

    const next = new SnapshotFiles(directory);
    await asked<void>((done) => next.receive(sent, 100, BYTES.subarray(100), done));

    expect(await asked<void>((done) => next.verify(sent, done))).toMatchObject(CORRUPT);
    expect(readdirSync(directory)).toEqual(["one"]);
  });

  test("never leaves its folder, whatever a peer names it", async () => {
    const store = new SnapshotFiles(directory);
    const names = ["../escaped", "..", ".", "a/b", "", ".hidden", "one.part", "one.tmp", "a\0b"];
    for (const id of [...names, "x".repeat(200)]) {
      const meta = { ...SNAPSHOT, id };
      const answers = await Promise.all([
        asked<void>((done) => store.receive(meta, 0, BYTES, done)),
        asked<number>((done) => store.received(meta, done)),
        asked<void>((done) => store.verify(meta, done)),
        readIn(store, meta),
      ]);
      for (const answer of answers) {
        expect({ id, answer }).toMatchObject({ answer: { error: { kind: "foreign" } } });
      }
    }

    expect(readdirSync(root)).toEqual(["snapshots"]);
    expect(readdirSync(directory)).toEqual(["one"]);
  });
});

describe("what nobody keeps", () => {
  test("is removed, with what a crash left; what is being made stays", async () => {
    for (const name of ["old", "old.part", "crashed.tmp"])
      writeFileSync(join(directory, name), "x");
    const store = new SnapshotFiles(directory);
    const writer = store.create("new");
    await asked<void>((done) => writer.append(BYTES, done));

    store.keepOnly(["one"]);
    await asked<number>((done) => store.received(SNAPSHOT, done));

    expect(readdirSync(directory).sort()).toEqual(["new.tmp", "one"]);
    expect(await asked(writer.finish.bind(writer))).toMatchObject({ ok: true });
  });
});

test("what the disk throws is a value", async () => {
  const store = new SnapshotFiles(join(root, "nowhere"));

  const answer = await asked<void>((done) => store.receive(SNAPSHOT, 0, BYTES, done));

  expect(answer).toMatchObject({ ok: false, error: { kind: "io" } });
});
