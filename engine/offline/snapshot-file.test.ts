import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NlError, nlError } from "../lib/error-code.ts";
import type { PeerId, Term } from "../lib/ids.ts";
import { err, ok, type Result } from "../lib/result.ts";
import type { SnapshotMeta } from "../raft/types.ts";
import { job, TestCluster } from "../state/state-fixture.ts";
import { encodeState } from "../state/state-walk.ts";
import { digestOf } from "../storage/snapshot-bytes.ts";
import { readSnapshotFile, writeSnapshotFile } from "./snapshot-file.ts";

let root: string;
let path: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "nl-saved-"));
  path = join(root, "monday.snap");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function sample(): { readonly bytes: Uint8Array; readonly snapshot: SnapshotMeta } {
  const cluster = new TestCluster({ nodes: 1 });
  for (const number of [1, 2, 3]) cluster.submit(number, { name: `job-${number}` });
  const bytes = encodeState(cluster.state);
  const conf = {
    voters: [1 as PeerId],
    votersOutgoing: [],
    learners: [],
    learnersNext: [],
    autoLeave: false,
  };
  const position = { index: cluster.state.appliedIndex, term: 3 as Term };
  const digest = digestOf(bytes);
  const snapshot = { ...position, conf, id: "9-3-1", bytes: bytes.length, sha256: digest.sha256() };
  return { bytes, snapshot };
}

async function* inPieces(
  bytes: Uint8Array,
  end: NlError | null = null,
): AsyncGenerator<Result<Uint8Array, NlError>> {
  for (let at = 0; at < bytes.length; at += 100) yield ok(bytes.subarray(at, at + 100));
  if (end !== null) yield err(end);
}

async function save(change: {
  readonly bytes?: Uint8Array;
  readonly end?: NlError;
  readonly mayReplace?: boolean;
}): Promise<Result<void, NlError>> {
  const { bytes, snapshot } = sample();
  return writeSnapshotFile(path, {
    snapshot,
    pieces: inPieces(change.bytes ?? bytes, change.end ?? null),
    mayReplace: change.mayReplace ?? false,
    onProgress: () => {},
  });
}

const refusalOf = async (): Promise<string> => {
  const read = await readSnapshotFile(path);
  return read.ok ? "accepted" : read.error.message;
};

describe("a saved snapshot", () => {
  test("is the state that was saved, and private", async () => {
    const { snapshot } = sample();
    expect(await save({})).toEqual({ ok: true, value: undefined });

    const read = await readSnapshotFile(path);

    if (!read.ok) throw new Error(read.error.message);
    expect(read.value.snapshot).toEqual(snapshot);
    expect([...read.value.state.jobs.keys()]).toEqual([1, 2, 3].map(job));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(root)).toEqual(["monday.snap"]);
  });

  test("is refused with a sentence whichever of its bytes has changed", async () => {
    await save({});
    const bytes = readFileSync(path);
    for (let at = 0; at < bytes.length; at++) {
      const rotten = Uint8Array.from(bytes);
      rotten[at] = (rotten[at] ?? 0) ^ (1 << (at % 8));
      writeFileSync(path, rotten);
      expect({ at, said: await refusalOf() }).toEqual({
        at,
        said: expect.stringMatching(/damaged|differs|not a snapshot|upgrade/),
      });
    }
  });

  test("is refused wherever it is cut off, and when something follows it", async () => {
    await save({});
    const bytes = readFileSync(path);
    for (let length = 0; length < bytes.length; length++) {
      writeFileSync(path, bytes.subarray(0, length));
      expect({ length, said: await refusalOf() }).not.toEqual({ length, said: "accepted" });
    }
    writeFileSync(path, Buffer.concat([bytes, Buffer.from("x")]));
    expect(await refusalOf()).toContain("instead of");
  });

  test("of another kind is named as such", async () => {
    writeFileSync(path, "");
    expect(await refusalOf()).toEndWith("it is empty");
    writeFileSync(path, "SQLite format 3\0");
    expect(await refusalOf()).toContain("not a snapshot that nl saved");
  });
});

describe("saving", () => {
  test("leaves nothing behind when the cluster fails in the middle of it", async () => {
    const end = nlError("unreachable", "gone");

    expect(await save({ end })).toEqual({ ok: false, error: end });
    expect(readdirSync(root)).toEqual([]);
  });

  test("keeps the old file when what arrives is not what was announced", async () => {
    await save({});
    const before = readFileSync(path);
    const { bytes } = sample();

    const saved = await save({ bytes: bytes.subarray(0, bytes.length - 1), mayReplace: true });

    expect(saved).toMatchObject({ ok: false, error: { code: "refused" } });
    expect(readFileSync(path)).toEqual(before);
    expect(readdirSync(root)).toEqual(["monday.snap"]);
  });

  test("takes the place of a file only when it may", async () => {
    writeFileSync(path, "mine");

    await expect(save({})).rejects.toMatchObject({ code: "EEXIST" });
    expect(readFileSync(path, "utf8")).toBe("mine");
    await save({ mayReplace: true });
    expect(await refusalOf()).toBe("accepted");
    expect(readdirSync(root)).toEqual(["monday.snap"]);
  });
});
